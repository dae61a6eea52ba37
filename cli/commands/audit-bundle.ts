import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import type { ApiClient } from '../api-client';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse } from '../failure';
import { parseMoment } from '../moment';
import { serviceFor } from '../names';
import type { Entry } from '../types';
import { readAnchorFile } from './audit';
import { attachmentsOf } from './audit-attachments';

export interface ExportInput {
  readonly service?: string;
  readonly from?: string;
  readonly to?: string;
  readonly key?: string;
  readonly out?: string;
}

const pageEntries = 1_000;

/** `lastgood audit export`: the decisions of a time as a signed directory; ends with 2 where what was written does not hold. */
export async function exportAudit(context: Context, input: ExportInput): Promise<number> {
  const { terminal } = context;
  const { from: since, key: keyFile, out: directory } = input;
  if (since === undefined || keyFile === undefined || directory === undefined)
    throw badUse(
      'export what, signed with what, to where? --from, --key and --out are needed',
      'lastgood audit export --from 2026-11-01 --key key.pem --out bundle',
    );
  const { BundleRefused, readSigningKey, writeBundle } = await import('../../workers/audit/bundle');
  const now = terminal.now();
  // A bare date is its end elsewhere; a time begins with the day that it names.
  const from = /^\d{4}-\d{2}-\d{2}$/.test(since) ? `${since} 00:00` : since;
  const fromMs = parseMoment('--from', from, now);
  const toMs = input.to === undefined ? now : parseMoment('--to', input.to, now);
  const service = await serviceFor(context, input.service, (name) => `lastgood audit export ${name} --from TIME`);
  const out = resolve(directory);
  try {
    const key = await readSigningKey(keyFile);
    const entries = await entriesBetween(context.client(), service, fromMs, toMs);
    const anchors = (await readAnchorFile(context)).lines ?? [];
    const seqs = new Set(entries.map(({ seq }) => seq));
    const own = anchors.filter((anchor) => anchor.service === service && seqs.has(anchor.seq));
    const source = {
      service,
      entries,
      anchors: own.map(({ seq, hash, at }) => ({ seq, hash, at })),
      fromMs,
      toMs,
      ...(await attachmentsOf(context.client(), service, entries)),
    };
    await writeBundle(out, { ...source, at: now }, key);
  } catch (error) {
    if (error instanceof BundleRefused) throw badUse(error.message);
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw badUse(`--out: ${out} is there; what was signed once is not overwritten`);
    throw error;
  }
  return await verifyBundle(context, { bundle: out });
}

/** `lastgood audit verify --bundle`: what `verify.mjs` of the bundle would say, by lastgood's own text of it. */
export async function verifyBundle(
  context: Context,
  { bundle, publicKey }: { readonly bundle: string; readonly publicKey?: string },
): Promise<number> {
  const { verifyScript } = await import('../../workers/audit/verify-script');
  const args = [resolve(bundle), ...(publicKey === undefined ? [] : [resolve(publicKey)])];
  // Never the script that lies in the bundle: it comes from whoever wrote the bundle.
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-', ...args], {
    input: verifyScript,
    maxBuffer: 64 * 1024 * 1024,
  });
  const lines = stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '');
  const ok = status === 0;
  if (context.json) printJson(context.terminal, { ok, bundle: resolve(bundle), lines });
  else printLines(context.terminal, [...lines, ok ? `${bundle}: holds` : `${bundle}: does NOT hold`]);
  return ok ? exitCodes.ok : exitCodes.needsHuman;
}

/** The consecutive entries from the first one of that time to the last one. */
async function entriesBetween(client: ApiClient, service: string, fromMs: number, toMs: number): Promise<Entry[]> {
  const found: Entry[] = [];
  let last = -1;
  for (let after = 0; ;) {
    const { entries } = await client.ledger(service, { after, limit: pageEntries });
    for (const entry of entries) {
      if (found.length === 0 && entry.at < fromMs) continue;
      found.push(entry);
      if (entry.at <= toMs) last = found.length - 1;
    }
    const newest = entries.at(-1);
    if (newest === undefined || entries.length < pageEntries) return found.slice(0, last + 1);
    after = newest.seq;
  }
}
