import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { temporal } from '@temporalio/proto';
import type { RanHistory } from '../support/service-rig';

type History = temporal.api.history.v1.IHistory;

const { EventType } = temporal.api.enums.v1;
const folder = join(__dirname, 'histories');
/** `<story>-<number>-<type of the workflow>`; the oldest ones are not packed. */
const NAME = /^(.+)-\d+-([a-z]+)\.json(?:\.gz)?$/;

export interface StoredHistory {
  readonly file: string;
  readonly story: string;
  readonly type: string;
  readonly bytes: number;
}

export function storedHistories(): readonly StoredHistory[] {
  return readdirSync(folder)
    .sort()
    .map((file) => {
      const [, story, type] = NAME.exec(file) ?? [];
      if (story === undefined || type === undefined) throw new Error(`${file} is not a stored history`);
      return { file, story, type, bytes: statSync(join(folder, file)).size };
    });
}

export function readHistory(file: string): { readonly id: string; readonly history: History } {
  const stored = readFileSync(join(folder, file));
  const text = file.endsWith('.gz') ? gunzipSync(stored) : stored;
  const { id, history } = JSON.parse(text.toString('utf8')) as { id: string; history: string };
  return { id, history: temporal.api.history.v1.History.decode(Buffer.from(history, 'base64')) };
}

/** Everything that workflow and world told each other in it, as text. */
export function textOf({ events }: History): string {
  const told: string[] = [];
  const collect = (part: unknown): void => {
    if (part === null || typeof part !== 'object') return;
    if (part instanceof Uint8Array) told.push(Buffer.from(part).toString('utf8'));
    else for (const value of Object.values(part)) collect(value);
  };
  collect(events);
  return told.join('\n');
}

/** Only stories of which nothing is kept: a history proves something because no newer code made it again. */
export function keepHistories(story: string, histories: readonly RanHistory[]): void {
  for (const [index, { id, type, history }] of histories.entries()) {
    const path = join(folder, `${story}-${index + 1}-${type.replace('Workflow', '')}.json.gz`);
    if (existsSync(path)) throw new Error(`${path} is kept already`);
    forgetMachine(history);
    const bytes = temporal.api.history.v1.History.encode(history).finish();
    // The events by name are for whoever unpacks it; the bytes are what is replayed.
    const told = {
      id,
      events: history.events?.map(({ eventType }) => EventType[eventType ?? 0]),
      history: Buffer.from(bytes).toString('base64'),
    };
    writeFileSync(path, gzipSync(JSON.stringify(told), { level: 9 }));
  }
}

/** A stored history names neither the machine nor the folders that it was made in. */
function forgetMachine(part: unknown): void {
  if (part === null || typeof part !== 'object' || ArrayBuffer.isView(part)) return;
  const fields = part as Record<string, unknown>;
  for (const [name, value] of Object.entries(fields)) {
    // Identities, and the names of sticky queues that are made of them: process id and host.
    if (typeof value === 'string' && /^\d+@/.test(value)) fields[name] = 'a worker';
    if (name === 'stackTrace') fields[name] = '';
  }
  for (const value of Object.values(fields)) forgetMachine(value);
}
