import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ApiClient } from '../api-client';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse } from '../failure';
import { serviceNames } from '../names';
import type { Entry } from '../types';
import { renderAudit, renderCopies, type AnchorCheck, type ServiceAudit } from '../render/audit';
import { moment } from '../render/words';
import { loadWhole } from './whole-configuration';

/** `lastgood audit verify [service]`: recomputes the chain, and compares it with the heads noted outside the ledger. */
export async function verifyAudit(
  context: Context,
  input: { readonly service?: string; readonly anchors?: string },
): Promise<number> {
  const client = context.client();
  const services = input.service === undefined ? await serviceNames(context) : [input.service];
  if (input.anchors !== undefined) return await verifyCopies(context, services, input.anchors);
  const anchors = await readAnchorFile(context);
  const audits: ServiceAudit[] = [];
  for (const service of services) {
    const chain = await client.verification(service);
    audits.push({ service, chain, anchors: await checkAnchors(context, service, anchors) });
  }
  const broken = audits.some(({ chain, anchors: check }) => !chain.ok || check.wrong.length > 0);
  if (context.json) printJson(context.terminal, { ok: !broken, services: audits });
  else printLines(context.terminal, renderAudit(audits));
  return broken ? exitCodes.needsHuman : exitCodes.ok;
}

/** Every entry is read and its hash recomputed here: neither the controller's word nor its own anchors are believed. */
async function verifyCopies(context: Context, services: readonly string[], anchors: string): Promise<number> {
  const { checkCopy } = await import('../../workers/audit/chain-copy');
  const client = context.client();
  const file = resolve(anchors);
  const checked = [];
  for (const service of services) {
    const { head } = await client.ledger(service, { newestFirst: true, limit: 1 });
    try {
      checked.push({ service, ...(await checkCopy(service, head, pagesUpTo(client, service, head?.seq ?? 0), file)) });
    } catch (error) {
      if (!['ENOENT', 'EACCES', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      throw badUse(`--anchors: ${file} cannot be read: ${(error as Error).message}`);
    }
  }
  const ok = checked.every((one) => one.ok);
  if (context.json) printJson(context.terminal, { ok, anchors: file, services: checked });
  else printLines(context.terminal, renderCopies(checked));
  return ok ? exitCodes.ok : exitCodes.needsHuman;
}

/** Entries that come while it is read are for the next audit: the head was read before. */
async function* pagesUpTo(client: ApiClient, service: string, last: number): AsyncGenerator<readonly Entry[]> {
  for (let after = 0; ;) {
    const { entries } = await client.ledger(service, { after, limit: pageEntries });
    yield entries.filter(({ seq }) => seq <= last);
    after = entries.at(-1)?.seq ?? after;
    if (entries.length < pageEntries || after >= last) return;
  }
}

const pageEntries = 1_000;

interface AnchorFile {
  readonly path: string | null;
  readonly lines: readonly { service: string; seq: number; hash: string; at: number }[] | null;
}

/** Null lines: no anchor could be read, so a tail that was cut cannot be seen. */
export async function readAnchorFile(context: Context): Promise<AnchorFile> {
  if (context.options.api !== undefined) return { path: null, lines: null };
  const { ledger } = await loadWhole(context);
  const text = await readFile(ledger.anchorFile, 'utf8').catch(() => null);
  if (text === null) return { path: ledger.anchorFile, lines: null };
  const lines = text.split('\n').flatMap((line) => {
    try {
      const anchor = JSON.parse(line) as { service?: unknown; seq?: unknown; hash?: unknown; at?: unknown };
      const { service, seq, hash, at } = anchor;
      const whole =
        typeof service === 'string' && typeof seq === 'number' && typeof hash === 'string' && typeof at === 'number';
      return whole ? [{ service, seq, hash, at }] : [];
    } catch {
      // A line torn by a crash: the anchors around it still bind the chain.
      return [];
    }
  });
  return { path: ledger.anchorFile, lines };
}

const checkedAnchorsMax = 200;

async function checkAnchors(context: Context, service: string, file: AnchorFile): Promise<AnchorCheck> {
  if (file.lines === null) return { file: file.path, checked: 0, newestAt: null, wrong: [] };
  const client = context.client();
  const own = file.lines.filter((line) => line.service === service).slice(-checkedAnchorsMax);
  const wrong: string[] = [];
  for (const { seq, hash, at } of own) {
    const [entry] = (await client.ledger(service, { after: seq - 1, limit: 1 })).entries;
    if (!entry || entry.seq !== seq)
      wrong.push(`entry ${seq} was there at ${moment(at)} and is gone: the tail was cut`);
    else if (entry.hash !== hash)
      wrong.push(`entry ${seq} had another hash at ${moment(at)}: the chain up to it was written anew`);
  }
  return { file: file.path, checked: own.length, newestAt: own.at(-1)?.at ?? null, wrong };
}
