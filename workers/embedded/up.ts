import type { Writable } from 'node:stream';
import { readAlertJournal } from '../../adapters/alerts/journal';
import { LayoutUnknown } from '../../adapters/disk/layout-file';
import { terminalSink } from '../../adapters/alerts/terminal';
import { ConfigurationError } from '../configuration/configuration';
import { EnvironmentError } from '../environment';
import { TemporalUnavailableError } from '../temporal/binary';
import { DevServerError } from '../temporal/dev-server';
import { startEmbedded, type Embedded, type EmbeddedOptions } from './embedded';
import { DataDirectoryHeld } from './lock';
import { PartFailed } from './part';

export interface UpOptions extends Omit<EmbeddedOptions, 'onProgress'> {
  readonly stdout: Writable;
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Leave the serving processes at the end; the next `up` finds them. */
  readonly keepServing?: boolean;
}

const lookEveryMs = 1_000;

/** `lastgood up`: runs until SIGINT or SIGTERM. Resolves to the exit code. */
export async function runUp(options: UpOptions): Promise<number> {
  const { stdout, stderr } = options;
  const stopping = new AbortController();
  const stop = (): void => {
    // A second signal must not tear apart what the first one is taking down in order.
    if (!stopping.signal.aborted) stdout.write('stopping …\n');
    stopping.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // For an upgrade: the next `up` takes over what is as it would start it, and replaces the rest.
  let handsOver = false;
  process.on('SIGUSR2', () => {
    if (stopping.signal.aborted) return;
    handsOver = true;
    stdout.write('letting go, everything runs on …\n');
    stopping.abort();
  });
  const startedAt = Date.now();
  let embedded: Embedded;
  try {
    embedded = await startEmbedded({
      ...options,
      signal: stopping.signal,
      onProgress: (line) => stdout.write(`  ${line}\n`),
    });
  } catch (error) {
    const sentence = sentenceOf(error);
    stderr.write(`${sentence ?? (error instanceof Error ? (error.stack ?? error.message) : String(error))}\n`);
    return error instanceof ConfigurationError || error instanceof EnvironmentError ? 64 : 69;
  }
  for (const { name } of embedded.configuration.services) stdout.write(`${name}: ${embedded.entrance(name)}\n`);
  stdout.write(`API: ${embedded.apiAddress}\n`);
  stdout.write(`console: ${embedded.apiAddress}/console/\n`);
  stdout.write(`Temporal: ${embedded.temporalUi ?? embedded.temporalAddress}\n`);
  stdout.write(`logs: ${embedded.logDir}\n`);
  stdout.write('up; Ctrl-C stops\n');
  await showAlerts(embedded, startedAt, { stderr, signal: stopping.signal });
  if (handsOver) {
    await embedded.release();
    stdout.write('left running\n');
    return 0;
  }
  await embedded.stop(options.keepServing === undefined ? {} : { keepServing: options.keepServing });
  stdout.write('stopped\n');
  return 0;
}

/** The processes write their alerts to the journal; here they reach the person who looks at this terminal. */
async function showAlerts(
  embedded: Embedded,
  sinceMs: number,
  { stderr, signal }: { readonly stderr: UpOptions['stderr']; readonly signal: AbortSignal },
): Promise<void> {
  const sink = terminalSink({ stream: stderr, colour: stderr.isTTY === true });
  const shown = new Set<string>();
  const { terminal } = embedded.configuration.alerts;
  while (!signal.aborted) {
    const { alerts } = terminal ? await readAlertJournal(embedded.alertJournal, { sinceMs }) : { alerts: [] };
    for (const { alert } of alerts) {
      if (shown.has(alert.key)) continue;
      shown.add(alert.key);
      await sink.deliver(alert, signal);
    }
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, lookEveryMs);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

/** What the user can do something about; null for a fault of ours, which shows its stack. */
function sentenceOf(error: unknown): string | null {
  const known = [
    ConfigurationError,
    DataDirectoryHeld,
    DevServerError,
    EnvironmentError,
    LayoutUnknown,
    PartFailed,
    TemporalUnavailableError,
  ];
  return known.some((one) => error instanceof one) ? (error as Error).message : null;
}
