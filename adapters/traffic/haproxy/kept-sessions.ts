import { stat } from 'node:fs/promises';
import type { RouterState } from '../../../gateway/protocol';
import { isMissing, readTextIfThere, writeFileAtomic } from '../../disk/atomic-file';
import { hasSessions, sessionsFile, sessionTable, type HaproxyService } from './layout';
import type { MasterCli } from './master-cli';

/** A session as HAProxy's table has it. The key is the SHA-256 of its id. */
export interface TableRow {
  readonly key: string;
  /** Of its version. */
  readonly number: number;
  /** Hundredths of a second since 1970, the last 32 bits. */
  readonly birth: number;
}

/** What the record in force lets stay where it is. */
export interface Held {
  readonly numbers: Readonly<Record<string, number>>;
  /** Until when, by version. */
  readonly holds: ReadonlyMap<string, number>;
}

const limitBytes = 64 * 1024 * 1024;
const row = /\bkey=([0-9a-fA-F]{64}) .* gpt0=(\d+) gpt1=(\d+)/;
const line = /^([0-9a-fA-F]{64}) (\d+)\|(\d+)$/;

/** Asked of the worker in charge: it has the table of the others from its peer. */
export async function tableRows(cli: MasterCli, worker: number, { name }: HaproxyService): Promise<TableRow[]> {
  return rowsIn(await cli.ask(worker, `show table ${sessionTable(name)}`), row);
}

/**
 * What HAProxy reads at a start for sessions that its table does not know: the table itself is in memory, and a full
 * restart empties it. A session is kept here when the record may hold it, so at the shift that it is to survive.
 */
export async function keptRows(directory: string, { name }: HaproxyService): Promise<TableRow[]> {
  return rowsIn((await readTextIfThere(sessionsFile(directory, name), limitBytes)) ?? '', line);
}

/** Replaced whole. Nothing is held: nothing is kept, for who was here is nobody's business any longer. */
export async function keepRows(
  directory: string,
  service: HaproxyService,
  rows: readonly TableRow[],
  { numbers, holds }: Held,
): Promise<void> {
  const file = sessionsFile(directory, service.name);
  const held = new Set([...holds.keys()].map((version) => numbers[version]));
  const kept = rows.filter(({ number }) => held.has(number));
  if (kept.length === 0 && (await isEmpty(file))) return;
  await writeFileAtomic(file, kept.map(({ key, number, birth }) => `${key} ${number}|${birth}\n`).join(''), 0o640);
}

/** Of a session in both, the table knows more. */
export function rowsOfBoth(table: readonly TableRow[], kept: readonly TableRow[]): TableRow[] {
  return [...new Map([...kept, ...table.filter(({ number }) => number > 0)].map((one) => [one.key, one])).values()];
}

/** Sessions that still stay, by version. */
export function pinnedSessions(
  rows: readonly TableRow[],
  service: HaproxyService,
  { numbers, holds }: Held,
  nowMs: number,
): RouterState['pinned'] {
  const versionOf = new Map(Object.entries(numbers).map(([version, number]) => [number, version]));
  const result: RouterState['pinned'] = {};
  const clock = Math.floor(nowMs / 10) % 2 ** 32;
  for (const { number, birth } of rows) {
    const version = versionOf.get(number);
    const until = version === undefined ? undefined : holds.get(version);
    if (version === undefined || until === undefined) continue;
    const ageMs = ((clock - birth + 2 ** 32) % 2 ** 32) * 10;
    const endsAt = Math.min(nowMs - ageMs + service.sessionMaxMs, until);
    if (endsAt <= nowMs) continue;
    const entry = (result[version] ??= { sessions: 0, lastEndsAt: 0 });
    entry.sessions += 1;
    entry.lastEndsAt = Math.max(entry.lastEndsAt, endsAt);
  }
  return result;
}

/** HAProxy does not start without its maps. */
export async function makeSessionsFile(directory: string, service: HaproxyService): Promise<void> {
  const file = sessionsFile(directory, service.name);
  if (hasSessions(service) && (await readTextIfThere(file, limitBytes)) === null)
    await writeFileAtomic(file, '', 0o640);
}

function rowsIn(text: string, form: RegExp): TableRow[] {
  return text.split('\n').flatMap((words) => {
    const [, key, number, birth] = form.exec(words) ?? [];
    return key === undefined ? [] : [{ key, number: Number(number), birth: Number(birth) }];
  });
}

/** Also where there is none: its HAProxy has an older configuration and would not read it. */
async function isEmpty(file: string): Promise<boolean> {
  try {
    return (await stat(file)).size === 0;
  } catch (fault) {
    if (isMissing(fault)) return true;
    throw fault;
  }
}
