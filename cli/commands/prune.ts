import { randomUUID } from 'node:crypto';
import type { Pruning } from '../../api/types';
import type { ApiClient } from '../api-client';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse, CliFailure } from '../failure';
import { serviceFor } from '../names';
import { renderPrune } from '../render/artifacts';
import { requireReason } from './acts';
import { moduleOfStore } from './store';

/** The store keeps as many too; here it is a sentence, and not silence. */
const keptAtLeast = 3;
const versionsPerEntry = 50;

export interface PruneInput {
  readonly service?: string;
  readonly keep: string;
  readonly dryRun: boolean;
  readonly reason?: string;
}

/** Which versions could still be chosen is known to the controller alone: without it nothing is removed. */
export async function pruneArtifacts(context: Context, input: PruneInput): Promise<number> {
  const keep = readKeep(input.keep);
  const { dryRun } = input;
  const typed = ['lastgood artifacts prune', input.service, keep > keptAtLeast && `--keep ${keep}`];
  const reason = dryRun ? '' : requireReason(input, typed.filter(Boolean).join(' '));
  const service = await serviceFor(context, input.service, (name) => `lastgood artifacts prune ${name} --dry-run`);
  const client = context.client();
  const { status, legalHold } = await client.service(service);
  if (legalHold && !dryRun)
    throw new CliFailure(
      exitCodes.refused,
      `nothing was removed: ${service} is under a legal hold by ${legalHold.by} (${legalHold.reason})`,
      `end the hold first: take services.${service}.legalHold out of the configuration, and restart`,
    );
  if (!status)
    throw new CliFailure(
      exitCodes.unreachable,
      'the service workflow does not answer, so it is not known which versions could still be chosen; nothing was removed',
      'lastgood doctor',
    );
  const { state } = status;
  const store = await moduleOfStore(context);
  const options = {
    keep,
    choosable: ({ version }: { version: string }): boolean => {
      const facts = state.versions.find((known) => known.version === version);
      return (
        facts !== undefined && facts.evaluation.ok && facts.standing !== 'quarantined' && facts.standing !== 'revoked'
      );
    },
    inUse: ({ version }: { version: string }): boolean => inUse(state, version),
  };
  const planned = await store.prune(service, { ...options, dryRun: true });
  if (!dryRun && planned.removed.length > 0) {
    await record(client, service, { keep, reason, atMs: context.terminal.now(), versions: planned.removed });
    const decided = new Set(planned.removed.map(({ version }) => version));
    const alsoInUse = (info: { version: string }): boolean => options.inUse(info) || !decided.has(info.version);
    await store.prune(service, { ...options, inUse: alsoInUse, dryRun: false });
  }
  if (context.json) printJson(context.terminal, { dryRun, ...planned });
  else printLines(context.terminal, renderPrune(service, planned, dryRun));
  return exitCodes.ok;
}

function readKeep(text: string): number {
  const keep = Number(text);
  if (!Number.isSafeInteger(keep) || keep < 1)
    throw badUse(`--keep: found "${text}", expected a whole number of at least ${keptAtLeast}`);
  if (keep < keptAtLeast)
    throw badUse(
      `--keep: found ${keep}; at least the last ${keptAtLeast} validated versions that could still be chosen stay`,
      `lastgood artifacts prune --keep ${keptAtLeast} --dry-run`,
    );
  return keep;
}

/** In the ledger before the first file goes (I4); where it cannot be written, nothing is removed. */
async function record(client: ApiClient, service: string, pruning: Omit<Pruning, 'requestId'>): Promise<void> {
  const versions = pruning.versions.map(({ version, digest }) => ({ version, digest }));
  for (let from = 0; from < versions.length; from += versionsPerEntry) {
    const part = versions.slice(from, from + versionsPerEntry);
    await client.recordPruning(service, { ...pruning, requestId: randomUUID(), versions: part });
  }
}

type State = NonNullable<Awaited<ReturnType<ReturnType<Context['client']>['service']>>['status']>['state'];

/** Named by anything that serves, could serve at once, or is being decided on. */
function inUse(state: State, version: string): boolean {
  const { declared, standby, preparing, bake, operation, incident, policy, queued } = state;
  const named = [
    declared?.primary,
    declared?.fallback,
    declared?.share?.version,
    ...(declared?.pins ?? []).map((pin) => pin.version),
    standby?.version,
    preparing?.version,
    bake?.previous,
    operation?.from,
    ...(operation?.candidates ?? []),
    incident?.from,
    incident?.target,
    queued?.version,
    policy.minimumAcceptable,
    ...state.retiring.map((copy) => copy.version),
  ];
  return named.includes(version);
}
