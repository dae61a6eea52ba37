import type { ApiClient } from '../api-client';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { parseMoment } from '../moment';
import { serviceFor } from '../names';
import { liveThen, renderHistory, renderLiveThen } from '../render/history';
import type { Entry } from '../types';

const pageEntries = 1_000;

export interface HistoryInput {
  readonly service?: string;
  readonly at?: string;
  readonly limit: number;
  readonly all: boolean;
}

/** `lastgood history [service] [--at DATE]`: the decisions, or what was live then and who decided it. */
export async function history(context: Context, input: HistoryInput): Promise<number> {
  const { terminal } = context;
  const client = context.client();
  const at = input.at === undefined ? null : parseMoment('--at', input.at, terminal.now());
  const service = await serviceFor(context, input.service, (name) => `lastgood history ${name}`);
  if (at !== null) {
    const then = liveThen(service, at, await entriesUntil(client, service, at));
    if (context.json) printJson(terminal, then);
    else printLines(terminal, renderLiveThen(then));
    return then.version === null ? exitCodes.refused : exitCodes.ok;
  }
  const page = await client.ledger(service, { newestFirst: true, limit: input.all ? input.limit : pageEntries });
  const entries = [...page.entries].reverse();
  if (context.json) {
    printJson(terminal, { service, head: page.head, entries: entries.slice(-input.limit) });
    return exitCodes.ok;
  }
  const lines = renderHistory(entries, input.all);
  if (lines.length === 0) terminal.out(`${service}: the ledger has no decision yet`);
  else printLines(terminal, lines.slice(-input.limit));
  return exitCodes.ok;
}

/** Back from the moment, page by page, until a route and the decision behind it are among the entries. */
async function entriesUntil(client: ApiClient, service: string, at: number): Promise<readonly Entry[]> {
  let entries: readonly Entry[] = (
    await client.ledger(service, { newestFirst: true, until: at, limit: pageEntries })
  ).entries.toReversed();
  for (;;) {
    const first = entries[0];
    const then = liveThen(service, at, entries);
    // With another primary before it the begin of the version's time is certain.
    const begun = then.decision !== null && then.madeLive !== null && routesBefore(entries, then.madeLive);
    if (!first || first.seq <= 1 || begun) return entries;
    const after = Math.max(0, first.seq - 1 - pageEntries);
    entries = [...(await client.ledger(service, { after, limit: first.seq - 1 - after })).entries, ...entries];
  }
}

function routesBefore(entries: readonly Entry[], made: Entry): boolean {
  return liveThen(made.service, made.at - 1, entries).version !== null;
}
