import { printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { steps } from '../render/explain';
import { textOf } from '../story/facts';
import type { Entry } from '../types';

const everyMs = 500;

/** `--wait`: prints the steps of an operation as they are recorded, until it has ended or waits for a person. */
export async function followOperation(
  context: Context,
  service: string,
  operation: string,
  afterSeq: number,
): Promise<number> {
  const client = context.client();
  let after = afterSeq;
  for (;;) {
    const { entries } = await client.ledger(service, { after, limit: 200 });
    if (!context.json) printLines(context.terminal, steps(entries));
    for (const entry of entries) {
      const code = endOf(entry, operation);
      if (code !== null) return code;
    }
    after = entries.at(-1)?.seq ?? after;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
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
