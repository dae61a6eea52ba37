import { resolve } from 'node:path';
import { z } from 'zod';
import type { ControlAddress } from '../../adapters/traffic/gateway-control';
import type { Contradiction } from './cross-checks';
import { isLoopback, path } from './fields';

/** A gateway on another host that routes the same services. */
const otherRouter = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'a name: lower-case letters, digits, . and -'),
  /** Its control interface, through its TLS proxy or a tunnel that ends on loopback. */
  control: z.string().regex(/^https?:\/\/[^/\s@]+$/, 'https://host:port without a path (http:// on loopback only)'),
  /** Its bearer token, the one of `gateway.control.tokenFile` over there. */
  tokenFile: path,
  /** Who signed its certificate, where the system does not know. */
  caFile: path.optional(),
});
const others = z.array(otherRouter).max(15).prefault([]);

/** The default, also beside `others`. */
const gatewayKind = z
  .literal('gateway')
  .optional()
  .transform((kind) => kind ?? 'gateway');

/** What clients' requests go through. */
export const routerSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: gatewayKind, others }),
    z.strictObject({
      kind: z.literal('haproxy'),
      /** HAProxy's configuration, and the routes that it reads at start; lastgood writes there. */
      directory: path,
      /** Socket of HAProxy's master process (`haproxy -W -S`). Default: `master.sock` in the directory. */
      masterSocket: path.optional(),
      others,
    }),
  ])
  .prefault({ kind: 'gateway' });
type RouterText = z.output<typeof routerSchema>;

/** Another router of the same services, by its control interface. */
export interface OtherRouter {
  readonly name: string;
  readonly control: Extract<ControlAddress, { readonly url: string }>;
}

export type RouterConfiguration = { readonly others: readonly OtherRouter[] } & (
  { readonly kind: 'gateway' } | { readonly kind: 'haproxy'; readonly directory: string; readonly masterSocket: string }
);

/** With absolute paths and every default. */
export function resolveRouter(text: RouterText, here: string): RouterConfiguration {
  const resolved = text.others.map(({ name, control, tokenFile, caFile }): OtherRouter => ({
    name,
    control: {
      url: control,
      tokenFile: resolve(here, tokenFile),
      ...(caFile === undefined ? {} : { caFile: resolve(here, caFile) }),
    },
  }));
  if (text.kind === 'gateway') return { kind: 'gateway', others: resolved };
  const directory = resolve(here, text.directory);
  const masterSocket = resolve(directory, text.masterSocket ?? 'master.sock');
  return { kind: 'haproxy', directory, masterSocket, others: resolved };
}

/** What no single value shows. */
export function checkRouters(text: RouterText, host: string): Contradiction[] {
  const taken = new Set([host]);
  return text.others.flatMap(({ name, control, caFile }, index) => {
    const found: Contradiction[] = [];
    const at = (key: string, problem: string): void =>
      void found.push({ path: ['router', 'others', String(index), key], problem });
    if (taken.has(name)) at('name', `found ${name}, which is the name of another router; this one is called ${host}`);
    taken.add(name);
    const { protocol, hostname } = new URL(control);
    if (protocol === 'http:' && !isLoopback(hostname.replace(/^\[|\]$/g, '')))
      at(
        'control',
        `found ${control}: the token would be read on its way, expected https:// (http:// on loopback only)`,
      );
    if (protocol === 'http:' && caFile !== undefined) at('caFile', 'found with http://, which has no certificate');
    return found;
  });
}
