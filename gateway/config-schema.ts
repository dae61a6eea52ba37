import { z } from 'zod';
import { gatewayCacheConfigSchema } from './cache/schemas';
import { controlPort, gatewayPeerSchema } from './peer-schema';

/**
 * What the gateway process is started with (written by the supervisor as JSON, one file). It has no secrets but the
 * control token's file name.
 */
export const gatewayConfigSchema = z.strictObject({
  dataDir: z.string(),
  control: z.union([z.strictObject({ socket: z.string() }), controlPort]),
  /** A second listener of the control interface, for other hosts (behind a TLS proxy). */
  remoteControl: controlPort.exactOptional(),
  /** Other gateways of the same services: asked for a higher epoch after this one was away, before it serves again. */
  peers: z.array(gatewayPeerSchema).max(16).exactOptional(),
  /** A process that did not run for longer was away; default 1,000. */
  leaseMs: z.int().min(100).max(60_000).exactOptional(),
  /** New requests wait for the peers at most so long; default 1,500. */
  holdMaxMs: z.int().min(50).max(10_000).exactOptional(),
  /** Port 0 = any free one; the chosen ones are written to `reportFile` as JSON `{pid, startedAt, addresses, metrics}`. */
  reportFile: z.string().exactOptional(),
  metrics: z.strictObject({ host: z.string(), port: z.int() }),
  /** The lastgood that starts it; written beside the schema of its database. */
  release: z.string().exactOptional(),
  blindWebhook: z.strictObject({ url: z.url(), afterMs: z.int() }).exactOptional(),
  /** Unix socket on which HAProxy's answer record is taken, where HAProxy routes. */
  routerLog: z.strictObject({ socket: z.string() }).exactOptional(),
  services: z.array(
    z.strictObject({
      name: z.string(),
      listen: z.strictObject({ host: z.string(), port: z.int() }),
      /** Clients come in over TLS. `anyClient`: none of them is proven here, also where others can reach it. */
      listenTls: z
        .strictObject({
          certFile: z.string(),
          keyFile: z.string(),
          clientCaFile: z.string().exactOptional(),
          anyClient: z.boolean().exactOptional(),
        })
        .exactOptional(),
      /** How backends at `https://` prove themselves; without it by the authorities that Node knows. */
      upstreamTls: z
        .strictObject({ caFile: z.string().exactOptional(), serverName: z.string().exactOptional() })
        .exactOptional(),
      /** Where the id of a session stands; the first that has one wins. */
      sessionHeader: z.string().exactOptional(),
      sessionCookie: z.string().exactOptional(),
      /** Path in a JSON body that is there whole (no longer than `replayLimitBytes`), such as `user`, `metadata.session_id`. */
      sessionField: z.string().exactOptional(),
      /** Where the id of a pipeline's item stands; written into the answer record. */
      itemHeader: z.string().exactOptional(),
      itemField: z.string().exactOptional(),
      sessionMaxMs: z.int(),
      /** No first byte within this counts as a timeout (the request itself goes on until `requestMaxMs`). */
      firstByteMs: z.int(),
      requestMaxMs: z.int(),
      repeatable: z.boolean(),
      replayLimitBytes: z.int(),
      /** How to read class, score and text of a JSON answer, e.g. `outputs[name=label].data[0]`. */
      answer: z.strictObject({
        classPath: z.string().exactOptional(),
        scorePath: z.string().exactOptional(),
        textPath: z.string().exactOptional(),
      }),
      samples: z.strictObject({
        share: z.number().min(0).max(1),
        maxCount: z.int(),
        maxAgeMs: z.int(),
        redactFields: z.array(z.string()),
      }),
      /** Absent: answers are not kept for other requests. */
      cache: gatewayCacheConfigSchema.exactOptional(),
      feedbackHorizonMs: z.int(),
      answerRetentionDays: z.int(),
      /** Nothing that was recorded is deleted, nor folded to coarser rows. */
      legalHold: z.boolean().exactOptional(),
      /** Metrics whose values may be pushed. */
      pushed: z
        .array(
          z.strictObject({
            metric: z.string(),
            min: z.number().nullable(),
            max: z.number().nullable(),
            /** Values are kept for so long; default 30 days. */
            keptMs: z.int().exactOptional(),
          }),
        )
        .exactOptional(),
    }),
  ),
});
export type GatewayConfig = z.infer<typeof gatewayConfigSchema>;
export type GatewayServiceConfig = GatewayConfig['services'][number];
