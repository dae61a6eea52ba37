import { z } from 'zod';
import { protocols } from '../../domain/traffic-support';
import { backendAddress, count, duration, httpUrl, listenAddress, path, rate, serviceName, size } from './fields';
import { alertsSchema } from './alerts-schema';
import { artifactsSchema } from './artifacts-schema';
import { cachesSchema } from './caches-schema';
import { hardwareSchema } from './hardware-schema';
import { hostName, hostsSchema } from './hosts-schema';
import { identitySchema } from './identity-schema';
import { ledgerSchema } from './ledger-schema';
import { outsideMetricsSchema } from './metric-schema';
import { pipelinesSchema } from './pipelines-schema';
import { policySchema } from './policy-schema';
import { servingSchema } from './serving-schema';
import { registrySchema } from './registry-schema';
import { routerSchema } from './router-schema';
import { rollbackWebhooksSchema, webhooksSchema } from './webhooks-schema';

/** Schema of `lastgood.yaml`: its input is what people write, its output has every default and plain units. */
const file = path;

const tls = z.strictObject({ certFile: file, keyFile: file });

const noSamples = { share: 0, maxCount: 5_000, maxAge: '7d', redact: [] as string[] };

const pattern = z
  .string('a regular expression')
  .min(1, 'a regular expression')
  .refine(isPattern, 'a regular expression (JavaScript, flag u)');

const embedder = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('onnx'),
    /** Has the model's files: onnx/model_quantized.onnx or onnx/model.onnx, tokenizer.json, tokenizer_config.json. */
    directory: path,
    /** Where its two packages were installed; default: beside lastgood's own. */
    packages: path.optional(),
  }),
  z.strictObject({
    kind: z.literal('openai'),
    address: backendAddress,
    model: z.string('the name of the model, as its server knows it').min(1).max(128),
    apiKeyFile: file.optional(),
  }),
  z.strictObject({ kind: z.literal('hashed') }),
]);

/** A service that is a language model: its answers are compared with those of its own good time. */
const semantic = z.strictObject({
  embedder,
  windowAnswers: count(20, 500).prefault(100),
  baselineAnswers: count(50, 500).prefault(200),
  canaryEvery: z.union([z.literal('off'), duration({ min: '1m', max: '7d' })]).prefault('15m'),
  /** What a good answer looks like; without it only empty ones are ill-formed. */
  form: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('json') }),
      z.strictObject({ kind: z.literal('pattern'), pattern }),
    ])
    .optional(),
  /** How the model declines, instead of the English patterns that are built in. */
  refusals: z.array(pattern).min(1).max(50).optional(),
});

function isPattern(text: string): boolean {
  try {
    new RegExp(text, 'u');
    return true;
  } catch {
    return false;
  }
}

const service = z.strictObject({
  listen: listenAddress.prefault('127.0.0.1:0'),
  /** Clients come in over TLS; the files are read again when they change. */
  listenTls: tls
    .extend({
      /** Only clients with a certificate of this authority come in. */
      clientCaFile: file.optional(),
      /** Anybody who reaches the address may ask: the model server checks its clients itself, or nobody need. */
      anyClient: z.boolean().prefault(false),
    })
    .optional(),
  /** What clients speak; what the router does not pass is refused here, and not at their first request. */
  protocols: z.array(z.enum(protocols)).min(1).max(protocols.length).prefault(['http-json', 'event-stream']),
  model: z.string('the name of the model, as its server knows it').min(1).max(128),
  serving: servingSchema,
  /** Where its copies run, by host; default: this host alone, on loopback. */
  hosts: hostsSchema.optional(),
  /** With several hosts: a version takes no traffic with fewer copies, except in an emergency. */
  minReplicas: count(1, 16).prefault(1),
  session: z
    .strictObject({
      header: z
        .string()
        .regex(/^[A-Za-z0-9-]+$/, 'the name of a header')
        .optional(),
      cookie: z
        .string()
        .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'the name of a cookie: letters, digits, _ . and -')
        .optional(),
      /** Of a JSON body, for clients that can set neither. */
      field: z
        .string()
        .max(200)
        .regex(/^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*){0,5}$/, 'names joined by dots, such as user or metadata.session_id')
        .optional(),
      maxLifetime: duration({ min: '1s', max: '30d' }).prefault('1h'),
    })
    .prefault({}),
  /** Where clients name the item of a pipeline that a request is for; the answer record keeps it. */
  itemId: z
    .union(
      [
        z.strictObject({ header: z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'the name of a header') }),
        z.strictObject({
          field: z
            .string()
            .max(200)
            .regex(/^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*){0,5}$/, 'names joined by dots, such as id or metadata.item_id'),
        }),
      ],
      '{header: NAME} or {field: PATH}',
    )
    .optional(),
  /** Where class, score and text stand in an answer, e.g. `outputs[name=label].data[0]`, `choices[0].message.content`. */
  answer: z
    .strictObject({
      class: z.string().min(1).optional(),
      score: z.string().min(1).optional(),
      text: z.string().min(1).optional(),
    })
    .prefault({}),
  /** Off until a share is given: samples are inputs of users. */
  samples: z
    .strictObject({
      share: rate.prefault(noSamples.share),
      maxCount: count(0, 100_000).prefault(noSamples.maxCount),
      maxAge: duration({ min: '1m', max: '90d' }).prefault(noSamples.maxAge),
      redact: z.array(z.string().min(1)).max(100).prefault([]),
    })
    .prefault({}),
  firstByte: duration({ min: '50ms', max: '1h' }).prefault('10s'),
  requestMax: duration({ min: '100ms', max: '24h' }).prefault('5m'),
  repeatable: z.boolean().prefault(true),
  replayLimit: size.prefault('1MiB'),
  feedbackHorizon: duration({ min: '1m', max: '90d' }).prefault('7d'),
  answerRetention: duration({ min: '1d', max: '400d' }).prefault('90d'),
  /** Nothing of this service is deleted while it is there: who answers for it, and why. Both go into the ledger. */
  legalHold: z
    .strictObject({
      by: z.string('the name of who orders it').trim().min(1, 'the name of who orders it').max(128),
      reason: z
        .string('why, such as the number of the case')
        .trim()
        .min(1, 'why, such as the number of the case')
        .max(300),
    })
    .optional(),
  /** Parts of versions that run outside of the serving process, by the names that manifests give them. */
  external: z
    .record(
      z.string().min(1).max(200),
      z.strictObject({
        /** `{version}` stands for the version that a manifest declares. */
        url: httpUrl.refine(
          (url) => [...url.matchAll(/(?:\{|%7B)(\w*)(?:\}|%7D)/gi)].every(([, name]) => name === 'version'),
          'no other placeholder than {version}',
        ),
        /** Where the version stands in the JSON; without it the answer is the version. */
        path: z.string().min(1).optional(),
      }),
    )
    .prefault({}),
  /** Asked for their health beside every assessment. */
  dependencies: z.array(httpUrl).max(50).prefault([]),
  /** Machines that it runs on or depends on, beside this host, by name. */
  hardware: hardwareSchema.prefault({}),
  /** Experiments with faults: never, only when whoever runs one names the service once more, or by whoever may run them. */
  chaos: z.enum(['refuse', 'ask', 'allow']).prefault('refuse'),
  changes: z.enum(['lastgood', 'external']).prefault('lastgood'),
  onForeignQuarantined: z.enum(['alarm', 'revert']).prefault('alarm'),
  /** Values that come from outside: pushed, from Prometheus, from reports of other tools. */
  metrics: outsideMetricsSchema.prefault({}),
  semantic: semantic.optional(),
  /** Where versions come from, beside what is imported by hand. */
  registry: registrySchema.optional(),
  /** Output caches that must not serve answers of a version that was left. */
  caches: cachesSchema.prefault({}),
  /** Where items are whose answers have effects; what is done with those that a degraded version handled. */
  pipelines: pipelinesSchema.prefault({}),
  /** Other systems that are told of what happens, and asked before a rollback that waits for an approval. */
  webhooks: webhooksSchema.prefault({}),
  /** Other systems that may roll back by a signed call, each as the operator of this service `webhook:NAME`. */
  rollbackWebhooks: rollbackWebhooksSchema.prefault({}),
  policy: policySchema.prefault({}),
});

export const configurationSchema = z.strictObject({
  dataDir: path.prefault('.lastgood'),
  /** Name of this machine; each host that serves needs its own. */
  host: hostName.prefault('local'),
  temporal: z
    .strictObject({
      /** A running server; without it `lastgood up` starts the dev server. */
      address: z
        .string()
        .regex(/^(\[[0-9A-Fa-f:]+\]|[^\s:/]+):\d{1,5}$/, 'host:port, such as 127.0.0.1:7233')
        .optional(),
      namespace: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/, 'a namespace name')
        .prefault('lastgood'),
      tls: z
        .strictObject({
          serverName: z.string().min(1).optional(),
          caFile: file.optional(),
          certFile: file.optional(),
          keyFile: file.optional(),
        })
        .refine((given) => (given.certFile === undefined) === (given.keyFile === undefined), {
          message: 'certFile and keyFile together',
        })
        .optional(),
      /** Payloads are encrypted by the first key and read by every one of them. */
      encryption: z
        .strictObject({
          keys: z
            .array(z.strictObject({ id: z.string().regex(/^[A-Za-z0-9._-]{1,32}$/, 'a short name'), file }))
            .min(1)
            .max(10)
            .refine((keys) => new Set(keys.map(({ id }) => id)).size === keys.length, 'the same id twice'),
        })
        .optional(),
    })
    .prefault({}),
  api: z
    .strictObject({
      listen: listenAddress.prefault('127.0.0.1:7780'),
      /** `clientCaFile`: authority of client certificates, for `identity.certificates`. */
      tls: tls.extend({ clientCaFile: file.optional() }).optional(),
      identity: identitySchema,
      /** Bearer token; default `api.token` in the data directory, made at the first start. */
      tokenFile: file.optional(),
    })
    .prefault({}),
  gateway: z
    .strictObject({
      /** The gateway's own `/metrics`. */
      metrics: listenAddress.prefault('127.0.0.1:7781'),
      /** Sent by the gateway itself when nobody reads its telemetry. */
      blindWebhook: z
        .strictObject({ url: httpUrl, after: duration({ min: '2s', max: '1h' }).prefault('15s') })
        .optional(),
      /** A second listener of its control interface, for lastgood and gateways on other hosts. Loopback: TLS is your proxy's. */
      control: z.strictObject({ listen: listenAddress, tokenFile: file }).optional(),
      /** With router.others: a gateway that did not run for longer asks the others for a newer route before it serves. */
      lease: duration({ min: '100ms', max: '1s' }).prefault('1s'),
      /** New requests wait for that at most so long. */
      hold: duration({ min: '50ms', max: '10s' }).prefault('1500ms'),
    })
    .prefault({}),
  router: routerSchema,
  artifacts: artifactsSchema.prefault({}),
  ledger: ledgerSchema,
  alerts: alertsSchema.prefault({}),
  operators: z
    .strictObject({
      /** Raw messages without a proven sender, as the Temporal UI sends them. Default: allowed on the embedded server only. */
      unverified: z.enum(['allow', 'refuse']).optional(),
    })
    .prefault({}),
  services: z
    .record(serviceName, service)
    .refine((services) => Object.keys(services).length > 0, 'at least one service'),
});

/** `--policy FILE`: what decides, laid over the configuration's, for demos and benchmarks; never where anything runs. */
export const policyFileSchema = z.strictObject({
  services: z.record(
    serviceName,
    service.pick({ policy: true, samples: true, firstByte: true, requestMax: true }).partial(),
  ),
});

export type ConfigurationText = z.output<typeof configurationSchema>;
export type ServiceText = ConfigurationText['services'][string];
