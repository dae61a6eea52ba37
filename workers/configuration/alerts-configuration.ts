import { readFileSync } from 'node:fs';
import type { AlertSeverity } from '../../domain/alert';
import type { AlertsText } from './alerts-schema';

/** The secret is read by the process that sends, and never kept in the configuration. */
export type SecretPlace = { readonly file: string } | { readonly env: string };

interface Chosen {
  readonly severities: readonly AlertSeverity[];
}

export interface AlertsConfiguration {
  readonly terminal: boolean;
  readonly webhooks: readonly { readonly url: string; readonly secret: SecretPlace }[];
  readonly alertmanagers: readonly { readonly url: string; readonly tokenFile: string | null }[];
  /** `bot` null: an incoming webhook, whose address is the secret. */
  readonly slack: readonly (Chosen & {
    readonly secret: SecretPlace;
    readonly bot: { readonly channel: string; readonly url: string | null } | null;
  })[];
  readonly pagerDuty: readonly (Chosen & { readonly secret: SecretPlace; readonly url: string })[];
  readonly email: readonly (Chosen & {
    readonly host: string;
    readonly port: number;
    readonly tls: 'starttls' | 'implicit' | 'none';
    readonly caFile: string | null;
    readonly login: { readonly user: string; readonly secret: SecretPlace } | null;
    readonly from: string;
    readonly to: readonly string[];
  })[];
}

interface SecretText {
  readonly secretFile?: string | undefined;
  readonly secretEnv?: string | undefined;
}

export function resolveAlerts(alerts: AlertsText, absolute: (path: string) => string): AlertsConfiguration {
  const orNull = (path: string | undefined): string | null => (path === undefined ? null : absolute(path));
  const placeOf = ({ secretFile, secretEnv }: SecretText): SecretPlace =>
    secretFile === undefined ? { env: secretEnv ?? '' } : { file: absolute(secretFile) };
  return {
    terminal: alerts.terminal,
    alertmanagers: alerts.alertmanagers.map(({ url, tokenFile }) => ({ url, tokenFile: orNull(tokenFile) })),
    webhooks: alerts.webhooks.map(({ url, ...secret }) => ({ url, secret: placeOf(secret) })),
    slack: alerts.slack.map(({ channel, url, severities, ...secret }) => ({
      secret: placeOf(secret),
      severities,
      bot: channel === undefined ? null : { channel, url: url ?? null },
    })),
    pagerDuty: alerts.pagerDuty.map(({ url, severities, ...secret }) => ({ url, severities, secret: placeOf(secret) })),
    email: alerts.email.map(({ server, tls, caFile, user, from, to, severities, ...secret }) => {
      const { host, port } = hostAndPort(server);
      const login = user === undefined ? null : { user, secret: placeOf(secret) };
      return { host, port, tls, caFile: orNull(caFile), login, from, to, severities };
    }),
  };
}

export function hostAndPort(server: string): { host: string; port: number } {
  const cut = server.lastIndexOf(':');
  return { host: server.slice(0, cut).replace(/^\[|\]$/g, ''), port: Number(server.slice(cut + 1)) };
}

/**
 * Reads the secret anew at each call. Throws, with `place` first, when there is none: a variable once and for all, a file
 * as it is then.
 */
export function secretReader(
  secret: SecretPlace,
  place: string,
  inherited: Readonly<Record<string, string | undefined>>,
): () => string {
  if ('env' in secret) {
    return () => {
      const value = inherited[secret.env]?.trim();
      if (value !== undefined && value !== '') return value;
      throw new SecretMissing(`${place}.secretEnv: found no variable ${secret.env} in the environment`);
    };
  }
  return () => {
    let value: string;
    try {
      value = readFileSync(secret.file, 'utf8').trim();
    } catch (error) {
      throw new SecretMissing(`${place}.secretFile: ${(error as Error).message}`);
    }
    if (value === '') throw new SecretMissing(`${place}.secretFile: ${secret.file} is empty`);
    return value;
  };
}

export class SecretMissing extends Error {
  override readonly name = 'SecretMissing';
}
