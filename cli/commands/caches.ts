import { randomUUID } from 'node:crypto';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse } from '../failure';
import { serviceFor } from '../names';
import { renderCaches } from '../render/caches';

/** `lastgood caches [service]`: what each output cache may serve, and what was done with it last. */
export async function showCaches(context: Context, input: { readonly service?: string }): Promise<number> {
  const service = await serviceFor(context, input.service, (name) => `lastgood caches ${name}`);
  const caches = await context.client().caches(service);
  if (context.json) printJson(context.terminal, { service, caches });
  else printLines(context.terminal, renderCaches(service, caches));
  return caches.every(({ state }) => state !== null) ? exitCodes.ok : exitCodes.unreachable;
}

export interface InvalidateInput {
  readonly service: string;
  readonly cache?: string;
  readonly reason?: string;
}

/** Nothing that is stored now is served again; the ledger says who did it and why. */
export async function invalidateCaches(context: Context, { service, cache, reason }: InvalidateInput): Promise<number> {
  if (reason === undefined || reason.trim() === '') throw badUse("--reason: found none, expected why: --reason '…'");
  const act = {
    requestId: randomUUID(),
    atMs: context.terminal.now(),
    reason,
    ...(cache === undefined ? {} : { cache }),
  };
  const { outcomes } = await context.client().invalidateCaches(service, act);
  if (context.json) printJson(context.terminal, { service, outcomes });
  else
    printLines(
      context.terminal,
      outcomes.map((one) => (one.done ? `${one.cache}: emptied` : `${one.cache}: NOT emptied: ${one.why}`)),
    );
  return outcomes.every(({ done }) => done) ? exitCodes.ok : exitCodes.unreachable;
}
