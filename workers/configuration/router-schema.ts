import { resolve } from 'node:path';
import { z } from 'zod';
import type { ControlAddress } from '../../adapters/traffic/gateway-control';
import type { Contradiction } from './cross-checks';
import { isLoopback, path } from './fields';

const controlFields = {
  /** Its control interface, through its TLS proxy or a tunnel that ends on loopback. */
  control: z.string().regex(/^https?:\/\/[^/\s@]+$/, 'https://host:port without a path (http:// on loopback only)'),
  /** Its bearer token, the one of `gateway.control.tokenFile` over there. */
  tokenFile: path,
  /** Who signed its certificate, where the system does not know. */
  caFile: path.optional(),
};
/** A gateway on another host that routes the same services. */
const otherRouter = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'a name: lower-case letters, digits, . and -'),
  ...controlFields,
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
    z.strictObject({
      kind: gatewayKind,
      others,
      /** How the host workers of other hosts reach this host's gateway. */
      reachedAt: z.strictObject(controlFields).optional(),
    }),
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
type ControlText = Omit<z.output<typeof otherRouter>, 'name'>;

export type RemoteControl = Extract<ControlAddress, { readonly url: string }>;

/** Another router of the same services, by its control interface. */
export interface OtherRouter {
  readonly name: string;
  readonly control: RemoteControl;
}

export type RouterConfiguration = { readonly others: readonly OtherRouter[] } & (
  | {
      readonly kind: 'gateway';
      /** From other hosts; null where none asks. */ readonly reachedAt: RemoteControl | null;
    }
  | { readonly kind: 'haproxy'; readonly directory: string; readonly masterSocket: string }
);

/** With absolute paths and every default. */
export function resolveRouter(text: RouterText, here: string): RouterConfiguration {
  const controlOf = ({ control, tokenFile, caFile }: ControlText): RemoteControl => ({
    url: control,
    tokenFile: resolve(here, tokenFile),
    ...(caFile === undefined ? {} : { caFile: resolve(here, caFile) }),
  });
  const resolved = text.others.map((other): OtherRouter => ({ name: other.name, control: controlOf(other) }));
  if (text.kind === 'gateway') {
    const { reachedAt } = text;
    return { kind: 'gateway', others: resolved, reachedAt: reachedAt === undefined ? null : controlOf(reachedAt) };
  }
  const directory = resolve(here, text.directory);
  const masterSocket = resolve(directory, text.masterSocket ?? 'master.sock');
  return { kind: 'haproxy', directory, masterSocket, others: resolved };
}

/** What no single value shows. */
export function checkRouters(text: RouterText, host: string): Contradiction[] {
  const taken = new Set([host]);
  const reached =
    text.kind === 'gateway' && text.reachedAt ? checkControl(text.reachedAt, ['router', 'reachedAt']) : [];
  const others = text.others.flatMap((other, index) => {
    const { name } = other;
    const path = ['router', 'others', String(index)];
    const problem = `found ${name}, which is the name of another router; this one is called ${host}`;
    const twice = taken.has(name) ? [{ path: [...path, 'name'], problem }] : [];
    taken.add(name);
    return [...twice, ...checkControl(other, path)];
  });
  return [...reached, ...others];
}

function checkControl({ control, caFile }: ControlText, path: readonly string[]): Contradiction[] {
  const found: Contradiction[] = [];
  const { protocol, hostname } = new URL(control);
  if (protocol !== 'http:') return found;
  const problem = `found ${control}: the token would be read on its way, expected https:// (http:// on loopback only)`;
  if (!isLoopback(hostname.replace(/^\[|\]$/g, ''))) found.push({ path: [...path, 'control'], problem });
  if (caFile !== undefined)
    found.push({ path: [...path, 'caFile'], problem: 'found with http://, which has no certificate' });
  return found;
}
