import type { Contradiction } from './cross-checks';
import { isLoopback } from './fields';
import type { ConfigurationText } from './schema';

/** Proofs that could not be given, or would be believed of somebody else. */
export function checkIdentity({ api, services }: ConfigurationText): Contradiction[] {
  const found: Contradiction[] = [];
  const { oidc, certificates } = api.identity;
  const at = (...path: string[]): string[] => ['api', 'identity', ...path];
  if (Object.keys(certificates).length > 0 && api.tls?.clientCaFile === undefined)
    found.push({
      path: at('certificates'),
      problem: 'found holders of certificates, and nobody asks for one: expected api.tls.clientCaFile',
    });
  const known = Object.keys(services);
  for (const [holder, { services: theirs = [] }] of Object.entries(certificates))
    for (const service of theirs.filter((name) => !known.includes(name)))
      found.push({
        path: at('certificates', holder, 'services'),
        problem: `found ${service}, expected one of ${known.join(', ')}`,
      });
  if (oidc?.keysUrl !== undefined && isPlain(oidc.keysUrl))
    found.push({
      path: at('oidc', 'keysUrl'),
      problem: `found ${oidc.keysUrl}: whoever sits on the way could give keys of their own, expected https:// (http:// on loopback only)`,
    });
  return found;
}

function isPlain(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !isLoopback(hostname.replace(/^\[|\]$/g, ''));
}
