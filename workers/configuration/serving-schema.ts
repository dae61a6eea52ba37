import { z } from 'zod';
import { expectedTokens } from '../../adapters/artifacts/manifest';
import { dockerFields } from './docker-schema';
import { backendAddress, count, duration, path, size, versionName } from './fields';
import { tritonFields } from './triton-schema';

const engine = z.enum(['open-inference', 'openai', 'vllm', 'tgi', 'plain-http']);
const headerName = z.string().regex(/^[A-Za-z0-9-]+$/, 'the name of a header');
const urlPath = z.string().regex(/^\/\S*$/, 'a path that begins with /');

/** How to talk to the server, beyond the name of its protocol. */
const protocol = {
  engine: engine.prefault('open-inference'),
  /** Response headers that carry what the server has loaded. */
  digestHeader: headerName.optional(),
  versionHeader: headerName.optional(),
  /** How servers at https:// prove themselves; without it by the authorities that Node knows. */
  tls: z.strictObject({ caFile: path.optional(), serverName: z.string('a host name').min(1).optional() }).optional(),
  /** For `openai`, `vllm` and `tgi`: the secret that the server asks for, sent as bearer token. */
  apiKeyFile: path.optional(),
  /** For `vllm` and `tgi`: body of the completion that proves readiness; default one token. */
  canary: z.json().optional(),
  /** For `plain-http`, and `outputs` for `openai`, `vllm` and `tgi`: name of an output → its path in the answer. */
  http: z
    .strictObject({
      ready: urlPath.prefault('/health'),
      infer: urlPath.prefault('/predict'),
      outputs: z.record(z.string(), z.string()).prefault({}),
      identity: z
        .strictObject({ path: urlPath, digest: z.string().optional(), version: z.string().optional() })
        .optional(),
    })
    .prefault({}),
};
const processServing = z.strictObject({
  runtime: z.literal('process'),
  ...protocol,
  /** Program and arguments; `{artifact}`, `{port}`, `{report}`, `{instance}`, `{digest}` are replaced. No shell. */
  command: z.array(z.string().min(1)).min(1, 'a list: the program and its arguments'),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable'), z.string())
    .prefault({}),
  /** Default: the directory of this file. */
  directory: path.optional(),
  /** From start to an address. */
  startLimit: duration({ min: '1s', max: '2h' }).prefault('2m'),
  memoryLimit: size.optional(),
});

const dockerServing = z.strictObject({ runtime: z.literal('docker'), ...protocol, ...dockerFields });

const scalar = z.union([z.string(), z.number()]);
const probe = z.strictObject({
  id: z.string().min(1).max(64),
  /** Body of the engine's inference call; must be answered alike each time (temperature 0). */
  request: z.json(),
  /** An answer that must come; without it the probe only belongs to the fingerprint. */
  expect: z
    .strictObject({
      output: z.string().min(1),
      value: scalar,
      tolerance: z.number().min(0).optional(),
      tokens: expectedTokens.optional(),
    })
    .optional(),
});
/** What stands in the file that `serving.probes` names, or in the configuration itself. */
export const probesSchema = z.array(probe).min(1).max(20);

const tritonServing = z.strictObject({ runtime: z.literal('triton'), ...tritonFields });

const externalServing = z.strictObject({
  runtime: z.literal('external'),
  ...protocol,
  /** Each version at an address of its own … */
  versions: z.record(versionName, backendAddress).optional(),
  /** … or one address, whose version is what it says of itself. */
  address: backendAddress.optional(),
  /** Whether a version that sleeps at its address (vLLM's sleep mode) is woken when it is loaded. */
  wake: z.boolean().prefault(false),
  /** Golden probes of versions without an artifact: a list, or a JSON file with one. */
  probes: z.union([path, probesSchema], 'a list of probes, or the path of a JSON file with one').optional(),
});

/** One running vLLM with the base model; a version is a LoRA adapter in it. */
const adapterServing = z.strictObject({
  runtime: z.literal('vllm-adapters'),
  ...protocol,
  engine: z.literal('vllm').prefault('vllm'),
  address: backendAddress,
  /** Where the server's machine has the directory of the artifacts; default: at the same place. */
  artifacts: z
    .string('a path on the server')
    .regex(/^\/[^\0]*[^\0/]$/, "an absolute path on the server's machine, not /")
    .optional(),
  /** Where in an artifact the adapter is; default: the artifact itself. */
  adapter: z
    .string('a path in the artifact')
    .regex(/^(?!\.{1,2}(\/|$))[^/\0]+(\/(?!\.{1,2}(\/|$))[^/\0]+)*$/, 'a path in the artifact, without . and ..')
    .optional(),
  /** Adapters that the server keeps in memory, whoever loaded them: its --max-cpu-loras. */
  maxAdapters: count(1, 10_000).optional(),
  startLimit: duration({ min: '1s', max: '2h' }).prefault('2m'),
});

/** `serving` of a service: who runs its versions, and how they are asked. */
export const servingSchema = z.discriminatedUnion('runtime', [
  processServing,
  dockerServing,
  tritonServing,
  adapterServing,
  externalServing,
]);
