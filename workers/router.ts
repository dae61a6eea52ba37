import type { TrafficRouter } from '../activities/ports';
import { gatewayRouter } from '../adapters/traffic/gateway';
import type { ControlAddress } from '../adapters/traffic/gateway-control';
import { haproxyRouter } from '../adapters/traffic/haproxy/haproxy';
import type { HaproxyRouterOptions } from '../adapters/traffic/haproxy/options';
import { severalRouters } from '../adapters/traffic/several-routers';
import type { Configuration } from './configuration/configuration';
import type { RunPaths } from './embedded/paths';

/** Nobody waits longer for one of several routers (`several-routers.ts`); its connection is then free again. */
const OTHER_TIMEOUT_MS = 1_500;

export type OpenRouter = TrafficRouter & { close(): Promise<void> };

/** What the clients of all services go through. */
export function openRouter(configuration: Configuration, paths: RunPaths): OpenRouter {
  const options = haproxyOptions(configuration);
  const own =
    options === null ? gatewayRouter({ address: gatewayAddress(configuration, paths) }) : haproxyRouter(options);
  const { others } = configuration.router;
  if (others.length === 0) return own;
  return severalRouters([
    { name: configuration.controlHost, router: own },
    ...others.map(({ name, control }) => ({
      name,
      router: gatewayRouter({ address: control, timeoutMs: OTHER_TIMEOUT_MS }),
    })),
  ]);
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
      sessionMaxMs: session.maxLifetimeMs,
      requestMaxMs,
      repeatable,
    })),
  };
}

export { configText as haproxyConfigText } from '../adapters/traffic/haproxy/config-text';
export { inspectHaproxy, writeHaproxyFiles, type HaproxyInspection } from '../adapters/traffic/haproxy/inspection';
