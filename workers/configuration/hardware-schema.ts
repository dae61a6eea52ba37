import { z } from 'zod';
import { httpUrl } from './fields';

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'the name of a machine: lower-case letters, digits, . and -');
const instance = z.string().min(1).max(200);
const mountpoint = z
  .string()
  .regex(/^\/\S*$/, 'a path that begins with /')
  .prefault('/');
const gpus = z
  .array(z.string().regex(/^\d{1,3}$/, 'the number of a GPU as text'))
  .min(1)
  .max(64)
  .optional();
/** Base address of a Prometheus server that scrapes the exporter, and the label under which it does. */
const scraped = { prometheus: httpUrl, instance };

const words = '{url: http://HOST:PORT/metrics} or {prometheus: http://HOST:PORT, instance: HOST:PORT}';

/** One machine that the service runs on or depends on: what tells its state. */
const machine = z
  .strictObject({
    node: z
      .union([z.strictObject({ url: httpUrl, mountpoint }), z.strictObject({ ...scraped, mountpoint })], words)
      .optional(),
    dcgm: z.union([z.strictObject({ url: httpUrl, gpus }), z.strictObject({ ...scraped, gpus })], words).optional(),
  })
  .refine(({ node, dcgm }) => node !== undefined || dcgm !== undefined, { message: 'node, dcgm, or both' });

export const hardwareSchema = z
  .record(name, machine)
  .refine((machines) => Object.keys(machines).length <= 20, 'at most 20 machines');

/** An exporter of a machine, asked by itself or by way of Prometheus. */
export interface ConfiguredExporter {
  readonly machine: string;
  readonly kind: 'node' | 'dcgm';
  readonly source: { readonly url: string } | { readonly prometheus: string; readonly instance: string };
  readonly mountpoint: string;
  readonly gpus: readonly string[] | null;
}

export function resolveHardware(machines: z.output<typeof hardwareSchema>): ConfiguredExporter[] {
  return Object.entries(machines).flatMap(([of, { node, dcgm }]) => [
    ...(node === undefined
      ? []
      : [{ machine: of, kind: 'node' as const, source: sourceOf(node), mountpoint: node.mountpoint, gpus: null }]),
    ...(dcgm === undefined
      ? []
      : [{ machine: of, kind: 'dcgm' as const, source: sourceOf(dcgm), mountpoint: '/', gpus: dcgm.gpus ?? null }]),
  ]);
}

type Source = { readonly url: string } | { readonly prometheus: string; readonly instance: string };

function sourceOf(text: Source): ConfiguredExporter['source'] {
  return 'url' in text ? { url: text.url } : { prometheus: text.prometheus, instance: text.instance };
}
