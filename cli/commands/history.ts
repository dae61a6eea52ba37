import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { parseMoment } from '../moment';
import { serviceFor } from '../names';
import { renderHistory, renderLiveThen } from '../render/history';

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
    const { declared: then } = await client.provenance(service, at);
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
