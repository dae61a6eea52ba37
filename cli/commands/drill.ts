import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse, CliFailure } from '../failure';
import { lastProven, resultOf, type DrillResult } from '../drills/results';
import { compareLines, listLines, showLines } from '../drills/words';
import { parseSpan } from '../moment';
import { serviceFor } from '../names';
import { renderAnswer } from '../render/acts';
import { moment, percent, shellWord } from '../render/words';
import { textOf } from '../story/facts';
import type { Entry } from '../types';
import { requireReason, type ActOptions } from './acts';

const tiers = ['immediate', 'short-window', 'trend'];
const followMs = 500;
const pageEntries = 1_000;
const drillKinds: readonly Entry['kind'][] = ['drill-decided', 'drill-shared', 'drill-detected', 'drill-ended'];

export interface DrillOptions {
  readonly version?: string;
  readonly wrong?: string;
  readonly added?: string;
  readonly truncate?: string;
  readonly replay?: boolean;
  readonly live?: boolean;
  readonly share?: string;
  readonly for?: string;
  readonly expect?: string;
}

export interface DrillFields {
  readonly way: 'mirror' | 'replay' | 'live';
  readonly version?: string;
  readonly degrade?: { readonly wrongShare?: number; readonly addedMs?: number; readonly truncateTo?: number };
  readonly share: number;
  readonly forMs: number;
  readonly expect?: string;
}

/** The message of a drill from its options; says what is missing. */
export function drillFields(options: DrillOptions, service: string): DrillFields {
  const { wrong, added, truncate, replay, live, expect } = options;
  if (replay && live) throw badUse('found --replay and --live, expected one of them');
  const way = live ? 'live' : replay ? 'replay' : 'mirror';
  const degrade = {
    ...(wrong !== undefined && { wrongShare: part('--wrong', wrong) }),
    ...(added !== undefined && { addedMs: parseSpan('--added', added) }),
    ...(truncate !== undefined && { truncateTo: whole('--truncate', truncate) }),
  };
  const degraded = Object.keys(degrade).length > 0;
  const version = options.version?.replace(new RegExp(`^${service}@`), '');
  if (degraded === (version !== undefined))
    throw badUse(
      'a drill needs something that is worse: either --version VERSION, or the live one with --wrong, --added or --truncate',
      `lastgood drill run ${service} --wrong 30% --reason '…'`,
    );
  if (expect !== undefined && !tiers.includes(expect))
    throw badUse(`--expect: found "${expect}", expected one of ${tiers.join(', ')}`);
  return {
    way,
    ...(version !== undefined && { version }),
    ...(degraded && { degrade }),
    share: part('--share', options.share ?? (live ? '5%' : '20%')),
    forMs: parseSpan('--for', options.for ?? (live ? '5m' : '10m')),
    ...(expect !== undefined && { expect }),
  };
}

export async function runDrill(
  context: Context,
  input: ActOptions & DrillOptions & { readonly service?: string },
): Promise<number> {
  const reason = requireReason(input, ['lastgood drill run', input.service].filter(Boolean).join(' '));
  const service = await serviceFor(
    context,
    input.service,
    (name) => `lastgood drill run ${name} --reason ${shellWord(reason)}`,
  );
  const fields = drillFields(input, service);
  const client = context.client();
  const head = (await client.ledger(service, { newestFirst: true, limit: 1 })).head?.seq ?? 0;
  const dryRun = input.dryRun ? { dryRun: true } : {};
  const answer = await client.act(service, 'drill', { ...fields, reason, ...dryRun });
  // No drill needs a second person.
  if ('until' in answer) throw new CliFailure(exitCodes.internal, 'the controller answered a drill with a proposal');
  const done = answer.decision !== 'refused';
  if (!context.json) printLines(context.terminal, renderAnswer(answer));
  if (!done || !input.wait || answer.decision !== 'accepted') {
    if (context.json) printJson(context.terminal, { service, act: 'drill', ...answer, done });
    return done ? exitCodes.ok : exitCodes.refused;
  }
  return await follow(context, service, head);
}

/** Until the drill that was just decided has ended; says how, and what it cannot have proven. */
async function follow(context: Context, service: string, head: number): Promise<number> {
  const client = context.client();
  let drill: string | null = null;
  for (let after = head; ;) {
    const { entries } = await client.ledger(service, { after, kinds: drillKinds, limit: 200 });
    for (const entry of entries) {
      after = entry.seq;
      const named = textOf(entry.facts, 'drill');
      drill ??= entry.kind === 'drill-decided' ? named : null;
      if (named === null || named !== drill) continue;
      if (!context.json) printLines(context.terminal, [`${moment(entry.at)}  ${entry.summary}`]);
      if (entry.kind !== 'drill-ended') continue;
      await showDrill(context, { service, drill });
      return textOf(entry.facts, 'outcome') === 'passed' ? exitCodes.ok : exitCodes.refused;
    }
    await new Promise((resolve) => setTimeout(resolve, followMs));
  }
}

export async function listDrills(
  context: Context,
  input: { readonly service?: string; readonly limit: number },
): Promise<number> {
  const service = await serviceFor(context, input.service, (name) => `lastgood drill list ${name}`);
  const results = (await resultsOf(context, service)).slice(0, input.limit);
  if (context.json) printJson(context.terminal, { service, drills: results });
  else printLines(context.terminal, listLines(results, context.terminal.now()));
  return exitCodes.ok;
}

export async function showDrill(
  context: Context,
  input: { readonly service?: string; readonly drill?: string },
): Promise<number> {
  const service = await serviceFor(context, input.service, (name) => `lastgood drill show --service ${name}`);
  const results = await resultsOf(context, service);
  const result = named(results, input.drill);
  const settled = await context
    .client()
    .ledger(service, { kinds: ['settled'], newestFirst: true, limit: 1, until: result.endedAt });
  const proven = lastProven(
    settled.entries,
    results.filter(({ endedAt }) => endedAt <= result.endedAt),
  );
  if (context.json) printJson(context.terminal, { service, ...result, lastProven: proven });
  else printLines(context.terminal, showLines(result, proven, context.terminal.now()));
  return exitCodes.ok;
}

export async function compareDrills(
  context: Context,
  input: { readonly service?: string; readonly drill?: string },
): Promise<number> {
  const service = await serviceFor(context, input.service, (name) => `lastgood drill compare --service ${name}`);
  const results = await resultsOf(context, service);
  const asked = results.filter(({ outcome }) => outcome !== 'unasked');
  const result = named(input.drill === undefined ? asked : results, input.drill);
  const before = results.filter(
    ({ endedAt, way, outcome }) => endedAt < result.endedAt && way === result.way && outcome === 'passed',
  );
  if (context.json) printJson(context.terminal, { service, drill: result, before });
  else printLines(context.terminal, compareLines(result, before));
  return result.slower === null ? exitCodes.ok : exitCodes.refused;
}

/** Newest first. */
async function resultsOf(context: Context, service: string): Promise<DrillResult[]> {
  const { entries } = await context
    .client()
    .ledger(service, { kinds: ['drill-ended'], newestFirst: true, limit: pageEntries });
  return entries.map(resultOf).filter((result) => result !== null);
}

function named(results: readonly DrillResult[], drill: string | undefined): DrillResult {
  const found = drill === undefined ? results[0] : results.find((one) => one.drill === drill);
  if (found) return found;
  const known = results.slice(0, 10).map((one) => one.drill);
  throw new CliFailure(
    exitCodes.refused,
    drill === undefined
      ? 'no drill is on record'
      : `drill "${drill}" has not ended or is not on record; known: ${known.join(', ') || 'none'}`,
  );
}

/** `30%` or `0.3`. */
function part(option: string, text: string): number {
  const value = text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text);
  if (text.trim() !== '' && value > 0 && value <= 1) return value;
  throw badUse(`${option}: found "${text}", expected a part such as 5% or ${percent(0.3)}`);
}

function whole(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0 && text.trim() !== '') return value;
  throw badUse(`${option}: found "${text}", expected a whole number of characters`);
}
