import type { AnswersAt } from '../../api/types';
import type { ApiClient } from '../api-client';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse } from '../failure';
import { parseMoment } from '../moment';
import { serviceFor } from '../names';
import { renderProvenance } from '../render/provenance';
import { renderAnswer, renderAnswersAt, renderDay } from '../render/which';
import type { Entry } from '../types';

export interface WhichInput {
  readonly requestId?: string;
  readonly service?: string;
  readonly at?: string;
  readonly day?: string;
}

const dayMs = 86_400_000;
/** A service that changes its version more often in a day has other questions. */
const changesMax = 50;

/**
 * `lastgood which <request-id>`, `which --service S --at TIME` and `which --service S --day DATE`: which version answered,
 * and the decision behind it. Ends with 1 where the answer is `unknown`.
 */
export async function which(context: Context, input: WhichInput): Promise<number> {
  const { requestId, at, day } = input;
  if ([requestId, at, day].filter((one) => one !== undefined).length !== 1)
    throw badUse(
      'which answer? expected either the id of a request, or a service and a time or a day',
      'lastgood which REQUEST-ID   or   lastgood which --service SERVICE --at "2026-11-23 10:00"   or --day 2026-11-23',
    );
  if (requestId !== undefined) return await ofRequest(context, requestId);
  const option = at === undefined ? '--day DATE' : '--at TIME';
  const service = await serviceFor(context, input.service, (name) => `lastgood which --service ${name} ${option}`);
  return at === undefined ? await ofDay(context, service, day ?? '') : await ofMoment(context, service, at);
}

async function ofRequest(context: Context, requestId: string): Promise<number> {
  const lookup = await context.client().answer(requestId);
  const provenance = lookup.known
    ? await context.client().provenance(lookup.answer.service, lookup.answer.at, lookup.answer)
    : null;
  if (context.json) printJson(context.terminal, { ...lookup, provenance });
  else
    printLines(context.terminal, [
      ...renderAnswer(requestId, lookup),
      ...(provenance ? renderProvenance(provenance) : []),
    ]);
  return lookup.known ? exitCodes.ok : exitCodes.refused;
}

async function ofMoment(context: Context, service: string, text: string): Promise<number> {
  const client = context.client();
  const at = parseMoment('--at', text, context.terminal.now());
  const found = await client.answersAt(service, at);
  // Where no answer is on record any more the ledger still knows what was live.
  const asked: { version?: string; reason?: AnswersAt['versions'][number]['reason'] }[] =
    found.versions.length === 0 ? [{}] : [...found.versions];
  const provenances = [];
  for (const answer of asked) provenances.push(await client.provenance(service, at, answer));
  if (context.json) printJson(context.terminal, { ...found, provenances });
  else
    printLines(context.terminal, [
      ...renderAnswersAt(service, found),
      ...provenances.flatMap((one) => ['', ...renderProvenance(one)]),
    ]);
  return found.versions.length > 0 ? exitCodes.ok : exitCodes.refused;
}

/** A day from 00:00 to 24:00 UTC, by the ledger: every version that was live on it. */
async function ofDay(context: Context, service: string, day: string): Promise<number> {
  const client = context.client();
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) throw badUse(`--day: found "${day}", expected a day such as 2026-11-23`);
  const toMs = Math.min(parseMoment('--day', day, context.terminal.now()), context.terminal.now());
  const fromMs = Math.floor(parseMoment('--day', day, 0) / dayMs) * dayMs;
  const lived = [];
  for (let at = toMs; at >= fromMs && lived.length < changesMax;) {
    const one = await client.provenance(service, at);
    if (one.version === null) break;
    lived.push(one);
    at = (one.declared.since ?? 0) - 1;
  }
  lived.reverse();
  const beside = await besideThePrimary(client, service, fromMs, toMs);
  if (context.json) printJson(context.terminal, { service, fromMs, toMs, versions: lived, beside });
  else printLines(context.terminal, renderDay(service, { day, lived, beside }));
  return lived.length > 0 ? exitCodes.ok : exitCodes.refused;
}

/** What let another version than the live one answer: fallbacks, shares, drills. */
async function besideThePrimary(client: ApiClient, service: string, fromMs: number, toMs: number): Promise<Entry[]> {
  const kinds = ['fallback-began', 'drill-shared', 'traffic-shifted', 'reconciled'];
  const { entries } = await client.ledger(service, { kinds, until: toMs, newestFirst: true, limit: 1_000 });
  const within = entries.filter(({ at }) => at >= fromMs).toReversed();
  return within.filter(({ kind, facts, summary }) => {
    if (kind === 'traffic-shifted')
      return 'share' in ((facts['changes'] as { route?: object } | undefined)?.route ?? {});
    return kind !== 'reconciled' || summary.includes('serves by its primary again');
  });
}
