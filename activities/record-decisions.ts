import type { ControlActivities } from '../workflows/contract/activities';
import type { Ledger } from './ports';

/** Idempotent by the key of each entry: the ledger answers a repeated append with the entry that it has. */
export function recordDecisions({ ledger }: { ledger: Ledger }): ControlActivities['recordDecisions'] {
  return async (entries) => {
    let lastSeq = 0;
    // One after the other: the order in the chain is the order of the decisions.
    for (const entry of entries) lastSeq = (await ledger.append(entry)).seq;
    return { lastSeq };
  };
}
