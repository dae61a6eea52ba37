import { writeFile } from 'node:fs/promises';
import type { ApiClient } from '../api-client';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse, CliFailure } from '../failure';
import { inForce, renderExplanation, steps } from '../render/explain';
import { textOf } from '../story/facts';
import { tellStory } from '../story/incident-story';
import { foldPresent, type Present } from '../story/present';
import type { Entry } from '../types';

/** Entries before the first of an incident that may have led to it: its verdict, what was held, the deploy. */
const ledUpEntries = 60;
const pageEntries = 1_000;
const presentPagesMax = 20;

/** `lastgood explain [incident|operation|service]`: from ledger entries alone, so that it works years later. */
export async function explain(
  context: Context,
  input: { readonly what?: string; readonly service?: string; readonly chart?: string },
): Promise<number> {
  const client = context.client();
  const found = await find(client, input);
  if (input.chart !== undefined) return await saveChart(context, found, input.chart);
  const { service, id, entries } = found;
  const present = await presentOf(client, service);
  const now = context.terminal.now();
  if (id === null) {
    const recent = (await client.ledger(service, { newestFirst: true, limit: 20 })).entries.toReversed();
    if (context.json) printJson(context.terminal, { service, incident: null, present, entries: recent });
    else
      printLines(context.terminal, [
        `${service}: no incident is on record`,
        '',
        'In force now, by the ledger',
        ...inForce(present, now).map((line) => `  ${line}`),
        '',
        'What happened last',
        ...steps(recent).map((line) => `  ${line}`),
      ]);
    return exitCodes.ok;
  }
  const story = tellStory(id, entries);
  if (context.json) printJson(context.terminal, { ...story, present });
  else printLines(context.terminal, renderExplanation(story, present, now));
  return exitCodes.ok;
}

/** The picture of the incident, into a file of the person's own. */
async function saveChart(context: Context, { service, id }: Found, file: string): Promise<number> {
  if (id === null) throw badUse(`${service}: no incident is on record, so there is no picture`, 'lastgood incidents');
  const svg = await context.client().chart(service, id);
  try {
    await writeFile(file, svg, { flag: 'wx' });
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST';
    throw badUse(
      `--chart: ${file} ${exists ? 'is there already' : `cannot be written: ${(error as Error).message}`}`,
      'name another file',
    );
  }
  if (context.json) printJson(context.terminal, { service, incident: id, file, bytes: Buffer.byteLength(svg) });
  else printLines(context.terminal, [`${file}: the picture of ${service} ${id}`]);
  return exitCodes.ok;
}

interface Found {
  readonly service: string;
  readonly id: string | null;
  readonly entries: readonly Entry[];
}

async function find(client: ApiClient, { what, service }: { what?: string; service?: string }): Promise<Found> {
  const services = (await client.services()).map((view) => view.service);
  if (service !== undefined && !services.includes(service)) throw unknown(service, services);
  if (what === undefined || services.includes(what)) return await newest(client, what ?? service);
  const places = service === undefined ? services : [service];
  const hits: Found[] = [];
  for (const place of places) {
    const entries = await entriesOf(client, place, what);
    if (entries.length > 0) hits.push({ service: place, id: what, entries });
  }
  const [hit, other] = hits;
  if (hit && other)
    throw new CliFailure(
      exitCodes.badUse,
      `${what}: found in ${hits.map((one) => one.service).join(' and ')}, expected one service`,
      `lastgood explain ${what} --service ${hit.service}`,
    );
  if (hit) return hit;
  throw unknown(what, services);
}

function unknown(what: string, services: readonly string[]): CliFailure {
  return new CliFailure(
    exitCodes.badUse,
    `${what}: found neither a service (${services.join(', ')}) nor an incident or operation on record`,
    'lastgood incidents',
  );
}

async function newest(client: ApiClient, service: string | undefined): Promise<Found> {
  const [latest] = await client.incidents({ ...(service === undefined ? {} : { service }), limit: 1 });
  const place = service ?? latest?.service ?? (await client.services())[0]?.service;
  if (place === undefined) throw unknown('service', []);
  const undecided = await withoutIncident(client, place);
  if (undecided && (!latest || (undecided[0]?.at ?? 0) > latest.lastAt))
    return { service: place, id: 'degradation', entries: undecided };
  if (!latest) return { service: place, id: null, entries: [] };
  return {
    service: latest.service,
    id: latest.incident,
    entries: await entriesOf(client, latest.service, latest.incident),
  };
}

/** The newest verdict on which nothing was moved (held, or the environment's fault): it opens no incident. */
async function withoutIncident(client: ApiClient, service: string): Promise<readonly Entry[] | null> {
  const recent = (await client.ledger(service, { newestFirst: true, limit: 300 })).entries.toReversed();
  const decided = recent.findLast(
    ({ kind, incident }) => incident === null && (kind === 'rollback-held' || kind === 'rollback-refused'),
  );
  if (!decided) return null;
  const began = recent.findLast(({ kind, seq }) => kind === 'degradation-began' && seq < decided.seq);
  return recent.filter(({ seq }) => seq >= (began ?? decided).seq);
}

/** The incident's own entries with what lies between them, and what led to its first one. */
async function entriesOf(client: ApiClient, service: string, id: string): Promise<readonly Entry[]> {
  const own = (await client.ledger(service, { incident: id, limit: pageEntries })).entries;
  const marked = own.length > 0 ? own : await ofOperation(client, service, id);
  const first = marked[0];
  const last = marked.at(-1);
  if (!first || !last) return [];
  const after = Math.max(0, first.seq - 1 - ledUpEntries);
  const around = (await client.ledger(service, { after, limit: Math.min(pageEntries, last.seq - after) })).entries;
  const belongs = new Set(marked.map(({ seq }) => seq));
  const began = ledUpTo(around, first.seq);
  return [
    ...around.filter(({ seq }) => belongs.has(seq) || began.has(seq) || between(around, seq, first, last)),
    ...marked,
  ]
    .filter((entry, index, all) => all.findIndex(({ seq }) => seq === entry.seq) === index)
    .sort((a, b) => a.seq - b.seq);
}

/** Unmarked entries of the same time tell of the same thing: a pause, a foreign change, a new standing. */
function between(around: readonly Entry[], seq: number, first: Entry, last: Entry): boolean {
  const entry = around.find((one) => one.seq === seq);
  return (
    entry !== undefined &&
    entry.incident === null &&
    seq > first.seq &&
    seq < last.seq &&
    entry.kind !== 'standby-changed'
  );
}

/**
 * The verdict that stood when the incident opened, what was held on it, and the deploy that it followed. What was measured
 * before the last shift says nothing of the version that served then.
 */
function ledUpTo(around: readonly Entry[], firstSeq: number): ReadonlySet<number> {
  const earlier = around.filter(({ seq }) => seq < firstSeq);
  const shiftedSeq = earlier.findLast(({ kind }) => kind === 'traffic-shifted')?.seq ?? 0;
  const before = earlier.filter(({ seq }) => seq > shiftedSeq);
  const ended = new Set(before.filter(({ kind }) => kind === 'degradation-ended').map(degradationId));
  const wanted = before.filter((entry) => {
    if (entry.kind === 'degradation-began') return !ended.has(degradationId(entry));
    return entry.incident === null && ledUpKinds.has(entry.kind);
  });
  return new Set(wanted.map(({ seq }) => seq));
}

const ledUpKinds = new Set<Entry['kind']>(['rollback-held', 'rollback-refused', 'fallback-began', 'deploy-settled']);

function degradationId({ facts }: Entry): string | null {
  return textOf(facts, 'id');
}

const endKinds = new Set<Entry['kind']>(['settled', 'deploy-settled', 'deploy-refused', 'incident-ended']);

/** The entries of an operation without an incident: its child's by its name, the decider's about its end by their place. */
async function ofOperation(client: ApiClient, service: string, operation: string): Promise<readonly Entry[]> {
  let after = 0;
  const found: Entry[] = [];
  for (let page = 0; page < presentPagesMax; page++) {
    const { entries } = await client.ledger(service, { after, limit: pageEntries });
    found.push(...entries.filter(({ facts }) => textOf(facts, 'operation') === operation));
    const last = entries.at(-1);
    if (!last || entries.length < pageEntries) break;
    after = last.seq;
  }
  const last = found.at(-1);
  if (!last) return [];
  const behind = (await client.ledger(service, { after: last.seq, limit: ledUpEntries })).entries;
  const end = behind.find(({ kind, incident }) => incident === null && endKinds.has(kind));
  return end ? [...found, end] : found;
}

/** Folded from the newest pages; older values than those are found by going back until every fact is known. */
export async function presentOf(client: ApiClient, service: string, untilMs?: number): Promise<Present> {
  const until = untilMs === undefined ? {} : { until: untilMs };
  let entries = [
    ...(await client.ledger(service, { newestFirst: true, limit: pageEntries, ...until })).entries,
  ].reverse();
  for (let page = 1; page < presentPagesMax; page++) {
    const first = entries[0];
    const known = foldPresent(entries);
    if (!first || first.seq <= 1 || (known.primary !== null && known.breaker !== null && known.routedAt !== null))
      break;
    const after = Math.max(0, first.seq - 1 - pageEntries);
    const older = (await client.ledger(service, { after, limit: first.seq - 1 - after })).entries;
    entries = [...older, ...entries];
  }
  return foldPresent(entries);
}
