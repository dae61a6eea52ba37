import { resolve } from 'node:path';
import { z } from 'zod';
import { hostRefused, plainHost } from '../../adapters/alerts/webhook-address';
import type { SecretPlace } from './alerts-configuration';
import type { Contradiction } from './cross-checks';
import { httpUrl, isLoopback, oneSecret, secretSource } from './fields';

export const webhookEvents = ['confirm-rollback', 'pre-rollback', 'post-rollback', 'deploy-refused', 'event'] as const;
export type WebhookEvent = (typeof webhookEvents)[number];

const nameWords = 'a name: lower-case letters, digits and -';
const name = z.string(nameWords).regex(/^[a-z0-9][a-z0-9-]{0,39}$/, nameWords);
const atMost = (map: object): boolean => Object.keys(map).length <= 20;

/** `services.<name>.webhooks`: who is told of what happens, and asked before a rollback that waits for an approval anyway. */
export const webhooksSchema = z
  .record(
    name,
    oneSecret(
      z.strictObject({
        url: httpUrl,
        events: z.array(z.enum(webhookEvents)).min(1).max(webhookEvents.length),
        ...secretSource(),
        /** Hosts or addresses that are reached although they look like a metadata service or are link-local. */
        allowAddresses: z.array(z.string().min(1).max(255)).max(16).prefault([]),
      }),
    ),
  )
  .refine(atMost, 'at most 20 webhooks');

/** `services.<name>.rollbackWebhooks`: who may roll back by a signed call. */
export const rollbackWebhooksSchema = z
  .record(name, oneSecret(z.strictObject({ ...secretSource() })))
  .refine(atMost, 'at most 20 webhooks');

export interface WebhookConfiguration {
  readonly name: string;
  readonly url: string;
  readonly events: readonly WebhookEvent[];
  readonly secret: SecretPlace;
  readonly allowAddresses: readonly string[];
}

export interface RollbackWebhook {
  readonly name: string;
  readonly secret: SecretPlace;
}

type WebhooksText = z.output<typeof webhooksSchema>;
type RollbackWebhooksText = z.output<typeof rollbackWebhooksSchema>;

export function resolveWebhooks(webhooks: WebhooksText, here: string): readonly WebhookConfiguration[] {
  return Object.entries(webhooks).map(([given, { url, events, allowAddresses, ...secret }]) => {
    return { name: given, url, events, allowAddresses, secret: placeOf(secret, here) };
  });
}

export function resolveRollbackWebhooks(webhooks: RollbackWebhooksText, here: string): readonly RollbackWebhook[] {
  return Object.entries(webhooks).map(([given, secret]) => ({ name: given, secret: placeOf(secret, here) }));
}

function placeOf(
  { secretFile, secretEnv }: { secretFile?: string | undefined; secretEnv?: string | undefined },
  here: string,
): SecretPlace {
  return secretFile === undefined ? { env: secretEnv ?? '' } : { file: resolve(here, secretFile) };
}

export function checkWebhooks(webhooks: WebhooksText): Contradiction[] {
  return Object.entries(webhooks).flatMap(([given, { url: text, events, allowAddresses }]) => {
    const url = new URL(text);
    const host = plainHost(url);
    const found: Contradiction[] = [];
    const at = (key: string, problem: string): void => void found.push({ path: ['webhooks', given, key], problem });
    if (hostRefused(host) && !allowAddresses.includes(host))
      at(
        'url',
        `found ${host}, which is link-local or a metadata service, where credentials are given out; expected another address, or ${host} in allowAddresses`,
      );
    if (url.username !== '' || url.password !== '')
      at('url', 'found a user or a password in it, expected none: messages are signed');
    if (events.includes('confirm-rollback') && url.protocol === 'http:' && !isLoopback(host))
      at(
        'url',
        'found http:// with confirm-rollback, whose answer is an act and could be changed on its way, expected https:// (http:// on loopback only)',
      );
    return found;
  });
}

/** Where two secrets are one, whoever may call for one service could call for the other. */
export function checkRollbackWebhooks(
  services: Readonly<Record<string, { rollbackWebhooks: RollbackWebhooksText }>>,
): Contradiction[] {
  const seen = new Map<string, string>();
  return Object.entries(services).flatMap(([service, { rollbackWebhooks }]) =>
    Object.entries(rollbackWebhooks).flatMap(([given, { secretFile, secretEnv }]) => {
      const secret = secretFile === undefined ? `variable ${secretEnv ?? ''}` : `file ${secretFile}`;
      const first = seen.get(secret);
      seen.set(secret, first ?? `services.${service}.rollbackWebhooks.${given}`);
      const problem = `found the ${secret}, which ${first ?? ''} has already: a secret is for one caller of one service`;
      return first === undefined ? [] : [{ path: ['services', service, 'rollbackWebhooks', given], problem }];
    }),
  );
}
