import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { AlertSinkMisconfigured } from './sink';

/**
 * Addresses at which hosts and clouds answer with credentials, in every notation that reaches them: link-local IPv4 and
 * IPv6, mapped and NAT64 forms of the first, and the metadata services outside of it.
 */
const refused = new BlockList();
refused.addSubnet('169.254.0.0', 16, 'ipv4');
refused.addSubnet('fe80::', 10, 'ipv6');
refused.addSubnet('::ffff:169.254.0.0', 112, 'ipv6');
refused.addSubnet('::169.254.0.0', 112, 'ipv6');
refused.addSubnet('64:ff9b::169.254.0.0', 112, 'ipv6');
refused.addAddress('fd00:ec2::254', 'ipv6');
refused.addAddress('100.100.100.200', 'ipv4');
refused.addAddress('::ffff:100.100.100.200', 'ipv6');
refused.addAddress('192.0.0.192', 'ipv4');
refused.addAddress('::ffff:192.0.0.192', 'ipv6');

export function addressRefused(address: string): boolean {
  const plain = address.split('%')[0] ?? '';
  const family = isIP(plain);
  if (family === 0) return true;
  return refused.check(plain, family === 4 ? 'ipv4' : 'ipv6');
}

/** Names by which clouds reach those services, whatever they resolve to here. */
const refusedNames = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.azure.internal',
  'instance-data',
  'instance-data.ec2.internal',
]);

/** Whether a host of a URL is, by itself, one that credentials are given out at. A name is looked up only for a connection. */
export function hostRefused(host: string): boolean {
  const plain = host
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
  return isIP(plain) === 0 ? refusedNames.has(plain) : addressRefused(plain);
}

/**
 * The address of a webhook: http or https, no credentials in it, not link-local or metadata unless `allowed` names the host. Throws
 * `AlertSinkMisconfigured`, whose message names the host at most: the path may be a secret.
 */
export function parseWebhookUrl(text: string, allowed: readonly string[] = []): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new AlertSinkMisconfigured('a webhook address is not a URL; expected http://… or https://…');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new AlertSinkMisconfigured(`a webhook address begins with ${url.protocol}; expected http:// or https://`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new AlertSinkMisconfigured(
      `the webhook address at ${url.host} has credentials in it; use the signing secret`,
    );
  }
  // A literal is never looked up, so the lookup below would not see it.
  if (!allowed.includes(plainHost(url)) && hostRefused(url.hostname)) {
    throw new AlertSinkMisconfigured(`the webhook address ${url.host} is link-local or a metadata service: refused`);
  }
  return url;
}

/** As `allowed` names it. */
export function plainHost({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

/**
 * A lookup for the connection itself: what was checked is what is connected to, so a name cannot answer harmlessly to a
 * check and otherwise to the connection. One refused address among several refuses the name.
 */
export function pinnedLookup(
  resolve: typeof systemLookup = systemLookup,
  allowed: readonly string[] = [],
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error) return callback(error, '');
      const bad = addresses.find(
        ({ address }) => addressRefused(address) && !allowed.includes(address) && !allowed.includes(hostname),
      );
      if (bad) return callback(new AddressRefused(hostname, bad.address), '');
      const [first] = addresses;
      if (first === undefined) return callback(new Error(`${hostname} has no address`), '');
      if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
  constructor(hostname: string, address: string) {
    super(`${hostname} resolves to ${address}, which is link-local or a metadata service: refused`);
  }
}
