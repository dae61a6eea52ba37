import type { Logger } from 'pino';
import { LeaderLease } from '../adapters/ledger/leader-lease';
import { NEWEST_RULES } from '../workflows/contract/inputs';
import { ConfigurationError, type Configuration } from './configuration/configuration';
import type { Environment } from './environment';
import { postgresOptions } from './ledger';
import { pause } from './process-options';

/** What must not be done by two controllers at once is done by the one that leads. */
export interface Leadership {
  leads(): boolean;
  /** The newest rules that every controller which is there can decide by. */
  commonRules(): number;
  /** Until the signal. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * With the ledger in PostgreSQL a lease there, so that a second controller may run; else this controller is the only one,
 * because the ledger's file is opened by one process.
 * @throws ConfigurationError
 */
export function openLeadership(
  { ledger, file }: Pick<Configuration, 'ledger' | 'file'>,
  environment: Environment,
  name: string | null,
  log: Logger,
): Leadership {
  if (ledger.postgres === null) {
    if (name !== null)
      throw new ConfigurationError([
        `${file}: ledger.postgres: found nothing, expected a server: a second controller (--name ${name}) cannot share a ledger that is a file`,
      ]);
    return { leads: () => true, commonRules: () => NEWEST_RULES, run: () => Promise.resolve() };
  }
  return new LeaderLease({
    ...postgresOptions(ledger.postgres, environment, `${file}: ledger.postgres`),
    anchorFile: ledger.anchorFile,
    name: name ?? 'first',
    rules: NEWEST_RULES,
    onChange: (leads, why) => log.info({ leads, why }, leads ? 'leads' : 'follows'),
  });
}

/** Does the work again and again while this controller leads, and looks every second whether it does. */
export async function whileLeading(
  leadership: Pick<Leadership, 'leads'>,
  signal: AbortSignal,
  work: () => Promise<number>,
): Promise<void> {
  while (!signal.aborted) {
    if (!leadership.leads()) {
      await pause(lookEveryMs, signal);
      continue;
    }
    const until = performance.now() + (await work());
    while (!signal.aborted && leadership.leads() && performance.now() < until)
      await pause(Math.min(lookEveryMs, until - performance.now()), signal);
  }
}

/** Runs what goes on by itself while this controller leads; its signal is aborted when it no longer does. */
export async function runWhileLeading(
  leadership: Pick<Leadership, 'leads'>,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  for (; !signal.aborted; await pause(lookEveryMs, signal)) {
    if (!leadership.leads()) continue;
    const ending = new AbortController();
    const running = run(AbortSignal.any([signal, ending.signal]));
    let hasFailed = false;
    // Heard at once: a rejection that nobody listens for would end the process without its name.
    running.catch(() => (hasFailed = true));
    while (!signal.aborted && leadership.leads() && !hasFailed) await pause(lookEveryMs, signal);
    ending.abort();
    await running;
  }
}

const lookEveryMs = 1_000;
