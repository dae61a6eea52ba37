import { readFileSync } from 'node:fs';
import type { TrafficRouter } from '../activities/ports';
import { gatewayRouter } from '../adapters/traffic/gateway';
import type { ControlAddress } from '../adapters/traffic/gateway-control';
import { haproxyRouter } from '../adapters/traffic/haproxy/haproxy';
import type { HaproxyRouterOptions } from '../adapters/traffic/haproxy/options';
import { severalRouters } from '../adapters/traffic/several-routers';
import { writeHaproxyFiles as writeFiles } from '../adapters/traffic/haproxy/inspection';
import { GatewayUnreachable } from '../adapters/traffic/gateway-control';
import { ConfigurationError, type Configuration } from './configuration/configuration';
import type { OtherRouter } from './configuration/router-schema';
import type { RunPaths } from './embedded/paths';

/** Nobody waits longer for one of several routers (`several-routers.ts`); its connection is then free again. */
const OTHER_TIMEOUT_MS = 1_500;

export type OpenRouter = TrafficRouter & { close(): Promise<void> };

/**
 * What the clients of all services go through.
 * @throws ConfigurationError where the certificate of another router cannot be read
 */
export function openRouter(configuration: Configuration, paths: RunPaths): OpenRouter {
  const options = haproxyOptions(configuration);
  const own =
    options === null ? gatewayRouter({ address: gatewayAddress(configuration, paths) }) : haproxyRouter(options);
  const { others } = configuration.router;
  if (others.length === 0) return own;
  return severalRouters([
    { name: configuration.controlHost, router: own },
    ...others.map((other, index) => ({ name: other.name, router: openOtherRouter(configuration, other, index) })),
  ]);
}

/** @throws ConfigurationError where its certificate cannot be read */
export function openOtherRouter({ file }: Configuration, { control }: OtherRouter, index: number): OpenRouter {
  try {
    return gatewayRouter({ address: control, timeoutMs: OTHER_TIMEOUT_MS });
  } catch (error) {
    // Nothing was asked yet: only the file with its certificate was read.
    if (!(error instanceof GatewayUnreachable)) throw error;
    throw new ConfigurationError([`${file}: router.others[${index}].caFile: ${error.message}`]);
  }
}

/** Beside the gateway its socket; from another host, whose worker asks before it stops a copy, its second listener. */
function gatewayAddress({ host, controlHost, router }: Configuration, paths: RunPaths): ControlAddress {
  if (host === controlHost || router.kind !== 'gateway' || router.reachedAt === null) return paths.gatewayControl;
  return router.reachedAt;
}

/** Null where the gateway routes. */
export function haproxyOptions({ router, services }: Configuration): HaproxyRouterOptions | null {
  if (router.kind !== 'haproxy') return null;
  return {
    directory: router.directory,
    masterSocket: router.masterSocket,
    services: services.map(({ name, listen, listenTls, protocols, serving, session, requestMaxMs, repeatable }) => ({
      name,
      listen,
      protocols,
      tls: listenTls,
      serverTls: serving.tls,
      sessionHeader: session.header,
      sessionCookie: session.cookie,
      sessionMaxMs: session.maxLifetimeMs,
      requestMaxMs,
      repeatable,
    })),
  };
}

export { configText as haproxyConfigText } from '../adapters/traffic/haproxy/config-text';
export { inspectHaproxy, type HaproxyInspection } from '../adapters/traffic/haproxy/inspection';

/** @throws ConfigurationError where a certificate or its key cannot be read; nothing is written then */
export async function writeHaproxyFiles(
  { file, services }: Configuration,
  options: HaproxyRouterOptions,
): Promise<{ file: string; changed: boolean }> {
  const problems = services.flatMap(({ name, listenTls }) =>
    (['certFile', 'keyFile'] as const).flatMap((key) => {
      const problem = listenTls === null ? null : whyUnreadable(listenTls[key]);
      return problem === null ? [] : [`${file}: services.${name}.listenTls.${key}: ${problem}`];
    }),
  );
  if (problems.length > 0) throw new ConfigurationError(problems);
  return await writeFiles(options);
}

function whyUnreadable(path: string): string | null {
  try {
    readFileSync(path);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
