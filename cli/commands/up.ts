import { defaultConfigFile } from '../settings';
import type { ApiClient } from '../api-client';
import { apiClient } from '../api-client';
import type { Context } from '../context';
import { CliFailure } from '../failure';
import { JsonLines } from '../json-lines';
import { steps, worthTelling } from '../render/explain';
import type { Entry } from '../types';

const lookEveryMs = 1_000;

export interface UpInput {
  readonly policy?: string;
  readonly keepServing?: boolean;
}

/**
 * `lastgood up`: runs everything of one machine in the foreground and prints one line for each change. With `--json` each
 * line is an object: `{at, line}` for what it does, `{at, service, entry}` for a decision, `{error}` when it cannot run.
 */
export async function up(context: Context, input: UpInput): Promise<number> {
  const { runUp } = await import('../../workers/embedded/up');
  const lines = context.json ? new JsonLines(context) : null;
  const configFile = context.options.config ?? defaultConfigFile;
  const over = new AbortController();
  const printing = printChanges(context, over.signal);
  try {
    const code = await runUp({
      configFile,
      ...(input.policy === undefined ? {} : { policyFile: input.policy }),
      ...(input.keepServing === undefined ? {} : { keepServing: input.keepServing }),
      stdout: lines?.stdout ?? process.stdout,
      stderr: lines?.stderr ?? process.stderr,
    });
    if (code !== 0) lines?.failed(code);
    return code;
  } finally {
    over.abort();
    await printing;
  }
}

/** Follows the ledgers: every route, verdict, step and act is an entry there, with the sentence for people. */
async function printChanges(context: Context, signal: AbortSignal): Promise<void> {
  const seen = new Map<string, number>();
  let client: ApiClient | null = null;
  while (!signal.aborted) {
    await pause(lookEveryMs, signal);
    if (signal.aborted) return;
    try {
      client ??= apiClient(context.settings());
      for (const service of context.settings().services) await printNew(context, client, service, seen);
    } catch (error) {
      // Not up yet, or on its way down: the next look shows what was missed.
      if (!(error instanceof CliFailure)) throw error;
    }
  }
}

async function printNew(
  context: Context,
  client: ApiClient,
  service: string,
  seen: Map<string, number>,
): Promise<void> {
  const after = seen.get(service);
  if (after === undefined) {
    const { head } = await client.ledger(service, { newestFirst: true, limit: 1 });
    seen.set(service, head?.seq ?? 0);
    return;
  }
  const { entries } = await client.ledger(service, { after, limit: 200 });
  const last = entries.at(-1);
  if (last) seen.set(service, last.seq);
  const told = context.json
    ? worthTelling(entries).map((entry) => JSON.stringify({ at: entry.at, service, entry }))
    : changeLines(service, entries);
  for (const line of told) context.terminal.out(line);
}

export function changeLines(service: string, entries: readonly Entry[]): string[] {
  return steps(entries).map((line) => `${service}  ${line}`);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
