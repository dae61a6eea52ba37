import { refusalOf, type Naming } from '../../domain/traffic-support';
import { isLoopback } from './fields';
import type { Contradiction } from './cross-checks';
import type { ConfigurationText, ServiceText } from './schema';

/** How a request names its version, by the runtime. A runtime that is not here does not compile. */
const NAMINGS: Readonly<Record<ServiceText['serving']['runtime'] | 'triton' | 'vllm-adapters', Naming>> = {
  process: 'address',
  docker: 'address',
  external: 'address',
  triton: 'path',
  'vllm-adapters': 'model',
};

/** What the table of `domain/traffic-support` refuses: a router that does not pass what clients speak. */
export function checkTraffic({ router, services }: ConfigurationText): Contradiction[] {
  return Object.entries(services).flatMap(([name, { protocols, serving }]) =>
    protocols.flatMap((protocol) => {
      const refusal = refusalOf(router.kind, protocol, NAMINGS[serving.runtime]);
      const path = ['services', name, 'protocols'];
      return refusal === null ? [] : [{ path, problem: `found ${protocol}, but ${refusal}` }];
    }),
  );
}

/** A door to others is encrypted, and says who may come in; what would have no effect is refused. */
export function checkTls({ services }: ConfigurationText): Contradiction[] {
  const found: Contradiction[] = [];
  for (const [name, { listen, listenTls, serving }] of Object.entries(services)) {
    const at = (path: readonly string[], problem: string): void => {
      found.push({ path: ['services', name, ...path], problem });
    };
    if (!isLoopback(listen.host)) {
      const open = `found ${listen.host}, which is not loopback: others could reach it`;
      if (listenTls === undefined) {
        at(['listen'], `${open}, so listenTls (certFile, keyFile) is needed, or a loopback address`);
      } else if (listenTls.clientCaFile === undefined && !listenTls.anyClient) {
        at(
          ['listenTls'],
          `${open}, expected clientCaFile (clients need a certificate of it), or anyClient: true where the model server checks its clients itself`,
        );
      }
    }
    if (listenTls?.clientCaFile !== undefined && listenTls.anyClient) {
      at(['listenTls', 'anyClient'], 'found true beside clientCaFile, which lets in only clients with a certificate');
    }
    if (serving.tls !== undefined) {
      if (!addressesOf(serving).some((address) => address.startsWith('https://'))) {
        at(['serving', 'tls'], 'found tls, but no address begins with https://, so it would have no effect');
      }
    }
  }
  return found;
}

/** Configured ones; copies that lastgood starts are asked without TLS. */
function addressesOf(serving: ServiceText['serving']): string[] {
  const versions = 'versions' in serving ? Object.values(serving.versions ?? {}) : [];
  return 'address' in serving && serving.address !== undefined ? [...versions, serving.address] : versions;
}
