import { printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { steps } from '../render/explain';
import { listOf, textOf } from '../story/facts';
import type { Entry } from '../types';

const everyMs = 500;

export interface Followed {
  readonly service: string;
  /** What the act began; with `deployOf` what it may be queued behind. */
  readonly operation: string;
  /** A deploy that may have been queued: only what happens from its own decision on is its end. */
  readonly deployOf: string | null;
  readonly afterSeq: number;
}

/** `--wait`: prints the steps of an operation as they are recorded, until it has ended or waits for a person. */
export async function followOperation(context: Context, followed: Followed): Promise<number> {
  const { service, deployOf } = followed;
  const client = context.client();
  let after = followed.afterSeq;
  let operation: string | null = deployOf === null ? followed.operation : null;
  for (;;) {
    const { entries } = await client.ledger(service, { after, limit: 200 });
    if (!context.json) printLines(context.terminal, steps(entries));
    for (const entry of entries) {
      if (operation === null && deployOf !== null) operation = startOf(entry, deployOf);
      const code = operation === null ? queuedEnd(entry, deployOf ?? '') : endOf(entry, operation);
      if (code !== null) return code;
      if (operation === null && textOf(entry.facts, 'act') === 'cancel' && !(await isQueued(context, followed)))
        return exitCodes.refused;
    }
    after = entries.at(-1)?.seq ?? after;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

function startOf({ kind, facts }: Entry, version: string): string | null {
  const first = listOf(facts, 'candidates')[0] ?? '';
  return kind === 'deploy-decided' && first.startsWith(`${version}: `) ? textOf(facts, 'operation') : null;
}

/** While it is queued only a refusal of it, or an operation before it that waits, ends the waiting. */
function queuedEnd({ kind, summary }: Entry, version: string): number | null {
  if (kind === 'waiting-for-human') return exitCodes.needsHuman;
  return kind === 'deploy-refused' && summary.startsWith(`the queued deploy of ${version} `) ? exitCodes.refused : null;
}

async function isQueued(context: Context, { service, deployOf }: Followed): Promise<boolean> {
  const state = (await context.client().service(service)).status?.state;
  return state === undefined || state.queued?.version === deployOf || state.operation?.candidates[0] === deployOf;
}

function endOf({ kind, facts, summary }: Entry, operation: string): number | null {
  switch (kind) {
    case 'settled':
    case 'deploy-settled':
      return exitCodes.ok;
    case 'deploy-refused':
      return exitCodes.refused;
    case 'waiting-for-human':
      return exitCodes.needsHuman;
    case 'incident-ended':
      return summary.startsWith(operation) || textOf(facts, 'operation') === operation ? exitCodes.refused : null;
    default:
      return null;
  }
}
