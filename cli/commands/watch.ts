import type { ServiceView } from '../../api/types';
import { CliFailure, badUse } from '../failure';
import { exitCodes } from '../exit-codes';
import type { Context } from '../context';
import { listen, type ServerEvent } from '../event-client';
import { parseSpan } from '../moment';
import { serviceFor } from '../names';
import { renderEntry } from '../render/history';
import { clock } from '../render/words';
import { conditionOf } from '../service-condition';
import type { Entry } from '../types';

const againMs = 1_000;

export interface WatchInput {
  readonly service?: string;
  readonly after?: string;
  readonly timeout?: string;
}

/** `lastgood watch [service]`: entries of the ledger and changes of the condition as they come, across restarts of the controller. */
export async function watch(context: Context, { service: named, after, timeout }: WatchInput): Promise<number> {
  if (after !== undefined && !/^\d{1,15}$/.test(after))
    throw badUse(`--after: found "${after}", expected the number of an entry, such as history --json has it`);
  const limitMs = timeout === undefined ? null : parseSpan('--timeout', timeout);
  const service = await serviceFor(context, named, (name) => `lastgood watch ${name}`);
  const { terminal, json } = context;
  let last = after ?? null;
  let code: number = exitCodes.unreachable;
  let condition = '';
  const over = new AbortController();
  const timer = limitMs === null ? undefined : setTimeout(() => over.abort(), limitMs);

  const onEvent = (event: ServerEvent): void => {
    last = event.id ?? last;
    if (json) terminal.out(JSON.stringify(event));
    if (event.event === 'entry' && !json) terminal.out(renderEntry(event.data as Entry));
    if (event.event === 'end') terminal.err(`lastgood: ${(event.data as { why: string }).why}`);
    if (event.event !== 'status') return;
    const view = event.data as ServiceView;
    const { word, reasons, code: now } = conditionOf(view, view.at);
    code = now;
    const line = [`condition ${word}`, ...reasons].join(': ');
    // A time in a reason grows with each look; it is the same condition.
    const same = line.replace(/\d+ s$/, '');
    if (!json && same !== condition) terminal.out(`${clock(view.at)}  ${line}`);
    condition = same;
  };

  try {
    for (let first = true; !over.signal.aborted; first = false) {
      const path = `/v1/services/${encodeURIComponent(service)}/events`;
      const asked = { after: last, signal: over.signal, onEvent };
      const why = await listen(context.settings(), path, asked).catch((error: unknown) => {
        // A controller that starts again is waited for; one that never was there is not, nor one that says no.
        if (first || !(error instanceof CliFailure) || error.exitCode !== exitCodes.unreachable) throw error;
        return null;
      });
      if (over.signal.aborted) break;
      if (why !== null) terminal.err(`lastgood: the controller is not heard any more (${why}); asks again`);
      await new Promise((resolve) => setTimeout(resolve, againMs));
    }
    return code;
  } finally {
    clearTimeout(timer);
  }
}
