import type { Contradiction } from './cross-checks';
import { isLoopback } from './fields';
import type { ConfigurationText, ServiceText } from './schema';

/** Where a router sends requests of a service. */
interface RoutedAddress {
  /** Begins at the service. */
  readonly path: readonly string[];
  /** A name or an IP address, as configured. */
  readonly host: string;
  /** As configured; null for copies that lastgood starts, whose ports are not known before. */
  readonly url: string | null;
}

/** Addresses of copies that one router reaches and another does not, or cannot be told; paths begin at the file. */
export function checkAddresses({ router, services }: ConfigurationText): Contradiction[] {
  return Object.entries(services).flatMap(([name, service]) => {
    const found = [
      // Those of several hosts have the address of their host.
      ...(isBeyondThisMachine(router) && Object.keys(service.hosts ?? {}).length < 2
        ? checkReached(service.serving)
        : []),
      ...(router.kind === 'haproxy' ? checkForHaproxy(service.serving) : []),
      ...checkTwice(service.serving),
    ];
    return found.map((one) => ({ ...one, path: ['services', name, ...one.path] }));
  });
}

/** Routers whose control addresses are all on loopback are those of one machine, as in tests. */
function isBeyondThisMachine({ others }: ConfigurationText['router']): boolean {
  return others.some(({ control }) => !isLoopback(hostOf(control)));
}

/** A record goes to every router: an address on loopback is another machine to each. */
function checkReached(serving: ServiceText['serving']): Contradiction[] {
  return routed(serving)
    .filter(({ host }) => isLoopback(host))
    .map(({ path, host }) => ({
      path,
      problem:
        `found router.others with copies at ${host}: the gateway of another host would send its users to itself; ` +
        'expected addresses that every host reaches (runtime external, triton or vllm-adapters)',
    }));
}

/** HAProxy is told addresses by commands, which take no names; whether it speaks TLS to servers is one setting for all. */
function checkForHaproxy(serving: ServiceText['serving']): Contradiction[] {
  const scheme = serving.tls !== undefined ? 'https' : 'http';
  return routed(serving).flatMap(({ path, host, url }) => {
    const found: Contradiction[] = [];
    if (!/^(\d{1,3}(\.\d{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:]+|localhost)$/.test(host)) {
      const problem = `found ${url ?? host}, expected with router haproxy an IP address: its commands take no names`;
      found.push({ path, problem });
    }
    if (url === null) return found;
    if (!/:\d{1,5}$/.test(url)) found.push({ path, problem: `found ${url}, expected with router haproxy a port` });
    if (!url.startsWith(`${scheme}://`)) {
      const problem =
        scheme === 'http'
          ? `found ${url} without serving.tls, expected with router haproxy serving.tls (caFile, serverName), or http://`
          : `found ${url} with serving.tls, expected with router haproxy https:// for all: it speaks TLS to every server of a service or to none`;
      found.push({ path, problem });
    }
    return found;
  });
}

/** A rollback between two versions of one address would move nothing. */
function checkTwice(serving: ServiceText['serving']): Contradiction[] {
  const taken = new Map<string, string>();
  if (serving.runtime !== 'external') return [];
  return Object.entries(serving.versions ?? {}).flatMap(([version, url]) => {
    const first = taken.get(url);
    taken.set(url, first ?? version);
    if (first === undefined) return [];
    const problem = `found ${url}, which is the address of ${first}: a rollback between them would move nothing; expected an address for each version (or one serving.address that tells its version)`;
    return [{ path: ['serving', 'versions', version], problem }];
  });
}

function routed(serving: ServiceText['serving']): RoutedAddress[] {
  const at = (path: readonly string[], url: string): RoutedAddress => ({ path, host: hostOf(url), url });
  switch (serving.runtime) {
    case 'process':
      return [{ path: ['serving', 'runtime'], host: '127.0.0.1', url: null }];
    case 'docker': {
      const { reachedAt, host } = serving.docker;
      const key = reachedAt !== undefined ? ['reachedAt'] : host !== undefined ? ['host'] : [];
      return [{ path: ['serving', 'docker', ...key], host: reachedAt ?? host ?? '127.0.0.1', url: null }];
    }
    case 'triton':
    case 'vllm-adapters':
      return [at(['serving', 'address'], serving.address)];
    case 'external':
      return [
        ...(serving.address === undefined ? [] : [at(['serving', 'address'], serving.address)]),
        ...Object.entries(serving.versions ?? {}).map(([name, url]) => at(['serving', 'versions', name], url)),
      ];
  }
}

function hostOf(url: string): string {
  return (
    /^https?:\/\/(?:\[([^\]]*)\]|([^:/]+))/
      .exec(url)
      ?.slice(1)
      .find((part) => part !== undefined) ?? ''
  );
}
