import { z } from 'zod';
import type { Actor } from '../../domain/ledger';
import type { MessageName, OperatorMessage } from '../../domain/service/messages';
import { actSignatureSchema } from './act-signature';
import { NEWEST_RULES } from './inputs';
import { policySchema } from './policy';
import { shared } from './shared';
import { VERSION_NAME } from '../../domain/names';

/**
 * What people and the controller say to a service workflow. Every message exists as an Update and as a Signal of the
 * same name; both arrive as `unknown` and are parsed here. Names are wire names. One schema a message; the table has every
 * name of the domain's union, or it does not compile.
 */
export const messageSchemas = shared('messages', () => {
  // A copy: rules are frozen where workflows share them, and zod winds every pattern back before it uses it.
  const version = z.string().regex(new RegExp(VERSION_NAME), 'a version name: letters, digits, . _ + -');
  const incident = z.string().min(1).max(64);

  const actorSchema: z.ZodType<Actor> = z.strictObject({
    name: z.string().min(1).max(128),
    proof: z.enum(['lastgood', 'unix-user', 'token', 'oidc', 'mtls', 'webhook', 'unverified', 'external']),
    from: z.string().max(128),
  });

  const envelope = {
    requestId: z.string().min(1).max(64),
    /** Absent in a raw message from the Temporal UI: recorded as unverified. */
    actor: actorSchema.exactOptional(),
    /** Somebody else who agrees to the act. */
    second: actorSchema.exactOptional(),
    /** Of the controller, which knows who sends the message. */
    signature: actSignatureSchema.exactOptional(),
    reason: z.string().min(1).max(500),
    /** Only say what would happen. */
    dryRun: z.boolean().exactOptional(),
  };

  return {
    rollback: z.strictObject({ ...envelope, to: version.exactOptional() }),
    deploy: z.strictObject({ ...envelope, version, after: z.boolean().exactOptional() }),
    drill: z.strictObject({
      ...envelope,
      way: z.enum(['mirror', 'replay', 'live']),
      version: version.exactOptional(),
      degrade: z
        .strictObject({
          wrongShare: z.number().min(0).max(1).exactOptional(),
          addedMs: z.number().min(0).max(60_000).exactOptional(),
          truncateTo: z.int().min(0).max(1_000_000).exactOptional(),
        })
        .refine((parts) => Object.keys(parts).length > 0, 'expected at least one of wrongShare, addedMs, truncateTo')
        .exactOptional(),
      share: z.number().gt(0).max(1),
      forMs: z
        .int()
        .min(1_000)
        .max(24 * 3_600_000),
      expect: z.enum(['immediate', 'short-window', 'trend']).exactOptional(),
    }),
    clearBreaker: z.strictObject({ ...envelope, breakerEpoch: z.int() }),
    approve: z.strictObject({ ...envelope, incident, decision: z.enum(['approve', 'deny']) }),
    intervene: z.strictObject({
      ...envelope,
      incident,
      action: z.enum(['retry', 'choose', 'accept', 'abort']),
      target: version.exactOptional(),
    }),
    cancel: z.strictObject({ ...envelope, incident: incident.exactOptional() }),
    pause: z.strictObject({
      ...envelope,
      forMs: z
        .int()
        .min(1000)
        .max(30 * 86_400_000),
    }),
    resume: z.strictObject({ ...envelope }),
    vouch: z.strictObject({ ...envelope, version }),
    revoke: z.strictObject({ ...envelope, version }),
    clearQuarantine: z.strictObject({ ...envelope, version }),
    setMode: z.strictObject({ ...envelope, mode: z.enum(['observe', 'confirm', 'act']) }),
    detach: z.strictObject({ ...envelope, force: z.boolean().exactOptional() }),
    configure: z.strictObject({ ...envelope, policy: policySchema, rules: z.int().min(1).max(NEWEST_RULES) }),
  } as const satisfies Record<MessageName, z.ZodType>;
});

export type { Answer, MessageName, OperatorMessage } from '../../domain/service/messages';
export const messageNames = Object.keys(messageSchemas) as MessageName[];

export type ParsedMessage =
  { readonly ok: true; readonly message: OperatorMessage } | { readonly ok: false; readonly problem: string };

/** Reads a message of any origin; the problem names the field, what was found and what was expected. */
export function parseMessage(name: MessageName, input: unknown): ParsedMessage {
  const result = messageSchemas[name].safeParse(input);
  if (result.success) return { ok: true, message: { name, ...result.data } as OperatorMessage };
  const problem = result.error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.length ? issue.path.join('.') : '(message)'}: ${issue.message}`)
    .join('; ');
  return { ok: false, problem };
}
