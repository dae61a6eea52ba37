import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { WitnessedPoint } from './verification';

/** A chain's head, noted outside the ledger: the chain up to `seq` cannot be rewritten or cut unnoticed. */
export interface Anchor {
  readonly service: string;
  readonly seq: number;
  readonly hash: string;
  /** Milliseconds since the epoch at which it was noted. */
  readonly at: number;
}

const anchorSchema = z.strictObject({
  service: z.string().min(1),
  seq: z.number().int().positive(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  at: z.number().int(),
});

/**
 * Appends one line for each anchor and syncs before it resolves. A line that a crash tore is closed first, so that it
 * cannot swallow the next one.
 */
export async function writeAnchors(file: string, anchors: readonly Anchor[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const handle = await open(file, 'a+', 0o600);
  try {
    const { size } = await handle.stat();
    const last = Buffer.alloc(1);
    const torn = size > 0 && (await handle.read(last, 0, 1, size - 1)).bytesRead === 1 && last[0] !== 0x0a;
    await handle.appendFile((torn ? '\n' : '') + anchors.map((anchor) => `${JSON.stringify(anchor)}\n`).join(''));
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Every anchor of the file in the order written. `unreadable` names the lines that are none: one torn by a crash is
 * harmless, since the anchors around it still bind the chain.
 */
export async function readAnchors(file: string): Promise<{ anchors: Anchor[]; unreadable: number[] }> {
  const anchors: Anchor[] = [];
  const unreadable: number[] = [];
  for (const [index, line] of (await readFile(file, 'utf8')).split('\n').entries()) {
    if (line === '') continue;
    const anchor = parseLine(line);
    if (anchor) anchors.push(anchor);
    else unreadable.push(index + 1);
  }
  return { anchors, unreadable };
}

/** The anchors of one service as points that a verification compares the chain with. */
export async function anchorWitnesses(file: string, service: string): Promise<WitnessedPoint[]> {
  const { anchors } = await readAnchors(file);
  return anchors
    .filter((anchor) => anchor.service === service)
    .map(({ seq, hash, at }) => ({ seq, hash, from: `the anchor of ${new Date(at).toISOString()}` }));
}

function parseLine(line: string): Anchor | null {
  try {
    const parsed = anchorSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
