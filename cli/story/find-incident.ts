import type { StoryClient } from '../api-client';
import { exitCodes } from '../exit-codes';
import { CliFailure } from '../failure';
import type { Entry } from '../types';
import { textOf } from './facts';

/** Entries before the first of an incident that may have led to it: its verdict, what was held, the deploy. */
const ledUpEntries = 60;
const pageEntries = 1_000;
/** Held of an incident's begin, and of its end; an entry has at most 12 KiB of facts. */
const heldEntriesMax = 2_000;
const operationPagesMax = 20;

/** An incident, or an operation without one, with the entries that tell of it, oldest first. */
export interface Found extends Told {
  readonly service: string;
  readonly id: string | null;
}

interface Told {
  readonly entries: readonly Entry[];
  /** Entries from the middle that are not held: an incident may have more than fit into memory. */
  readonly leftOut: number;
}

/**
 * The incident, operation or service that a person named; default the newest incident. `id` is null where the service has
 * none on record.
 */
export async function findIncident(
  client: StoryClient,
  verb: string,
  { what, service }: { what?: string; service?: string },
): Promise<Found> {
  const services = (await client.services()).map((view) => view.service);
  if (service !== undefined && !services.includes(service)) throw unknown(service, services);
  if (what === undefined || services.includes(what)) return await newest(client, what ?? service);
  const places = service === undefined ? services : [service];
  const hits: Found[] = [];
  for (const place of places) {
    const told = await entriesOf(client, place, what);
    if (told.entries.length > 0) hits.push({ service: place, id: what, ...told });
  }
  const [hit, other] = hits;
  if (hit && other)
    throw new CliFailure(
      exitCodes.badUse,
      `${what}: found in ${hits.map((one) => one.service).join(' and ')}, expected one service`,
      `lastgood ${verb} ${what} --service ${hit.service}`,
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

async function newest(client: StoryClient, service: string | undefined): Promise<Found> {
  const [latest] = await client.incidents({ ...(service === undefined ? {} : { service }), limit: 1 });
  const place = service ?? latest?.service ?? (await client.services())[0]?.service;
  if (place === undefined) throw unknown('service', []);
  const undecided = await withoutIncident(client, place);
  if (undecided && (!latest || (undecided[0]?.at ?? 0) > latest.lastAt))
    return { service: place, id: 'degradation', entries: undecided, leftOut: 0 };
  if (!latest) return { service: place, id: null, entries: [], leftOut: 0 };
  return {
    service: latest.service,
    id: latest.incident,
    ...(await entriesOf(client, latest.service, latest.incident)),
  };
}

/** The newest verdict on which nothing was moved (held, or the environment's fault): it opens no incident. */
async function withoutIncident(client: StoryClient, service: string): Promise<readonly Entry[] | null> {
  const recent = (await client.ledger(service, { newestFirst: true, limit: 300 })).entries.toReversed();
  const decided = recent.findLast(
    ({ kind, incident }) => incident === null && (kind === 'rollback-held' || kind === 'rollback-refused'),
  );
  if (!decided) return null;
  const began = recent.findLast(({ kind, seq }) => kind === 'degradation-began' && seq < decided.seq);
  return recent.filter(({ seq }) => seq >= (began ?? decided).seq);
}

/** The incident's own entries with what lies between them, and what led to its first one. */
async function entriesOf(client: StoryClient, service: string, id: string): Promise<Told> {
  const own = await ownEntries(client, service, id);
  const { entries: marked, leftOut } =
    own.entries.length > 0 ? own : { entries: await ofOperation(client, service, id), leftOut: 0 };
  const first = marked[0];
  const last = marked.at(-1);
  if (!first || !last) return { entries: [], leftOut: 0 };
  const after = Math.max(0, first.seq - 1 - ledUpEntries);
  const around = (await client.ledger(service, { after, limit: Math.min(pageEntries, last.seq - after) })).entries;
  const began = ledUpTo(around, first.seq);
  const wanted = new Map<number, Entry>();
  for (const entry of around) if (began.has(entry.seq) || between(entry, first, last)) wanted.set(entry.seq, entry);
  for (const entry of marked) wanted.set(entry.seq, entry);
  return { entries: [...wanted.values()].sort((a, b) => a.seq - b.seq), leftOut };
}

/** Page by page; of an endless incident its beginning and its end, and how many lie between. */
async function ownEntries(client: StoryClient, service: string, incident: string): Promise<Told> {
  const begin: Entry[] = [];
  let end: Entry[] = [];
  let leftOut = 0;
  for (let after = 0; ;) {
    const { entries } = await client.ledger(service, { incident, after, limit: pageEntries });
    const room = heldEntriesMax - begin.length;
    begin.push(...entries.slice(0, room));
    end.push(...entries.slice(room));
    leftOut += Math.max(0, end.length - heldEntriesMax);
    end = end.slice(-heldEntriesMax);
    const last = entries.at(-1);
    if (!last || entries.length < pageEntries) return { entries: [...begin, ...end], leftOut };
    after = last.seq;
  }
}

/** Unmarked entries of the same time tell of the same thing: a pause, a foreign change, a new standing. */
function between({ seq, incident, kind }: Entry, first: Entry, last: Entry): boolean {
  return incident === null && seq > first.seq && seq < last.seq && kind !== 'standby-changed';
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
async function ofOperation(client: StoryClient, service: string, operation: string): Promise<readonly Entry[]> {
  let after = 0;
  const found: Entry[] = [];
  for (let page = 0; page < operationPagesMax; page++) {
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
