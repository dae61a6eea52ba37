import { z } from 'zod';
import { backendAddress, duration, path } from './fields';

/** What `serving` has with `runtime: triton`. */
export const tritonFields = {
  /** The only protocol that it has; over gRPC a version has no path that a router could rewrite. */
  engine: z.literal('open-inference').prefault('open-inference'),
  /** Of its HTTP side (`--http-port`). */
  address: backendAddress,
  /** How it proves itself at an https:// address, which a proxy gives it. */
  tls: z.strictObject({ caFile: path.optional(), serverName: z.string('a host name').min(1).optional() }).optional(),
  /** Port of its metrics (`--metrics-port`), for `metrics` of an engine that name none. */
  metricsPort: z.int().min(1).max(65_535).optional(),
  /** The directory on this host that is its `--model-repository`; has `<model>/config.pbtxt`. */
  repository: path,
  /** Part of the artifact that becomes the directory of the version; default: all of it. */
  subdirectory: z
    .string()
    .regex(
      /^(?!.*(?:^|\/)\.\.?(?:\/|$))[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/,
      'a path below the artifact, such as triton',
    )
    .optional(),
  /** For one load, all of it. */
  loadLimit: duration({ min: '5s', max: '2h' }).prefault('10m'),
};

const tritonServing = z.strictObject(tritonFields);
export type TritonText = z.output<typeof tritonServing>;
