import type { Logger } from 'pino';
import type { Ledger } from '../../activities/ports';
import { AlertSinkMisconfigured } from '../../adapters/alerts/sink';
import { signedHeaders } from '../../adapters/alerts/webhook';
import { beginCursor, followLedger, type ToldEvent } from '../../adapters/webhooks/ledger-tail';
import { webhookCaller, type WebhookCaller } from '../../adapters/webhooks/webhook-caller';
import type { Decisions, RollbackCaller } from '../../api/ports';
import { secretReader, SecretMissing, type SecretPlace } from '../configuration/alerts-configuration';
import { ConfigurationError, type Configuration } from '../configuration/configuration';
import type { RunPaths } from '../embedded/paths';
import type { Environment } from '../environment';
import { keepConfirmations } from './confirmations';

export interface WebhooksKeeper {
  readonly configuration: Configuration;
  readonly paths: Pick<RunPaths, 'webhookCursor'>;
  readonly ledger: Pick<Ledger, 'read' | 'head'>;
  readonly decisions: Pick<Decisions, 'status' | 'act'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly signal: AbortSignal;
}

/** Every address that is told or asked, with its secret read once, so that what could never be sent is found at the start. */
export interface OpenedWebhooks {
  readonly out: readonly {
    readonly service: string;
    readonly name: string;
    readonly tells: readonly ToldEvent[];
    readonly confirms: boolean;
    readonly caller: WebhookCaller;
  }[];
  /** Who may roll a service back by a signed call. */
  callersOf(service: string): readonly RollbackCaller[];
}

const limits = {
  everyMs: 1_000,
  maxAgeMs: 6 * 3_600_000,
  backoffMs: 1_000,
  backoffMaxMs: 5 * 60_000,
  /** How an approval that waits is noticed. */
  statusEveryMs: 2_000,
} as const;

/** @throws ConfigurationError that names the key */
export function openWebhooks(configuration: Configuration, environment: Environment): OpenedWebhooks {
  const { file, services } = configuration;
  const secretOf = (secret: SecretPlace, key: string): (() => string) =>
    told(`${file}: ${key}`, () => {
      const read = secretReader(secret, `${file}: ${key}`, environment.inherited);
      read();
      return read;
    });
  const callers = new Map<string, RollbackCaller[]>();
  for (const { name: service, rollbackWebhooks } of services) {
    const own = rollbackWebhooks.map(({ name, secret }) => {
      const key = `services.${service}.rollbackWebhooks.${name}`;
      const read = secretOf(secret, key);
      // Made as a caller's would be, so that a short one is found here and not at the first call.
      told(`${file}: ${key}`, () => signedHeaders(name, [read()]));
      return { name, secret: read };
    });
    callers.set(service, own);
  }
  return {
    out: services.flatMap(({ name: service, webhooks }) =>
      webhooks.map(({ name, url, events, secret, allowAddresses }) => {
        const key = `services.${service}.webhooks.${name}`;
        const read = secretOf(secret, key);
        // One attempt a call: who calls it knows how long it may be tried.
        const once = { attempts: 1, attemptLimitMs: 10_000, allowAddresses };
        const caller = told(`${file}: ${key}`, () => webhookCaller({ url, secret: read, ...once }));
        const tells = events.filter((event): event is ToldEvent => event !== 'confirm-rollback');
        return { service, name, tells, confirms: events.includes('confirm-rollback'), caller };
      }),
    ),
    callersOf: (service) => callers.get(service) ?? [],
  };
}

function told<T>(place: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (error instanceof SecretMissing) throw new ConfigurationError([error.message]);
    if (error instanceof AlertSinkMisconfigured) throw new ConfigurationError([`${place}: ${error.message}`]);
    throw error;
  }
}

/** At the start of every controller, leading or not; see {@link beginCursor}. */
export async function beginWebhooks(
  { out }: OpenedWebhooks,
  { ledger, paths, log }: Pick<WebhooksKeeper, 'ledger' | 'paths' | 'log'>,
): Promise<void> {
  for (const { service, name, tells } of out) {
    if (tells.length === 0) continue;
    await beginCursor({ service, ledger, cursorFile: paths.webhookCursor(service, name) }).catch((error: unknown) =>
      log.warn({ service, webhook: name, err: error }, 'the place of a webhook in the ledger is not kept yet'),
    );
  }
}

/** Beside the decisions, until the process ends: nothing of it is waited for. */
export async function keepWebhooks({ out }: OpenedWebhooks, keeper: WebhooksKeeper): Promise<void> {
  const { ledger, paths, decisions, log, signal } = keeper;
  const tails = out
    .filter(({ tells }) => tells.length > 0)
    .map(({ service, name: webhook, tells: events, caller }) => {
      const onOutcome = (event: ToldEvent, seq: number, why: string | null): void => {
        if (why !== null) log.warn({ service, webhook, event, seq, why }, 'a webhook was not told');
      };
      const cursorFile = paths.webhookCursor(service, webhook);
      const onTrouble = (why: string): void =>
        log.warn({ service, webhook, why }, 'a webhook waits: the ledger, or its place in it, cannot be read or kept');
      return followLedger(
        { service, webhook, events, caller, ledger, cursorFile, onOutcome, onTrouble, ...limits },
        signal,
      );
    });
  const asked = out.filter(({ confirms }) => confirms);
  await Promise.all([
    ...tails,
    keepConfirmations({ asked, decisions, log, everyMs: limits.statusEveryMs, againMs: 5_000 }, signal),
  ]);
}
