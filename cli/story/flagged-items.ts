import type { ApiClient } from '../api-client';
import { linesOf } from '../commands/items';
import { CliFailure } from '../failure';
import type { FlaggedItem } from '../report/items';
import type { Entry } from '../types';
import { textOf } from './facts';

const SHOWN = 100;
const REVIEW = ['flagged', 'superseded', 'gone', 'partly-handled'];

/** The first items that a person must look at; a list that cannot be read leaves the counts of the ledger. */
export async function flaggedItems(
  client: Pick<ApiClient, 'itemList'>,
  service: string,
  entries: readonly Entry[],
): Promise<{ readonly shown: readonly FlaggedItem[]; readonly left: number }> {
  const shown: FlaggedItem[] = [];
  let left = 0;
  for (const { kind, incident, facts } of entries) {
    const head = textOf(facts, 'list');
    if (kind !== 'items-treated' || head === null || incident === null) continue;
    const pipeline = textOf(facts, 'pipeline') ?? '?';
    try {
      for await (const { item, outcome, why } of linesOf(client, service, incident, head)) {
        if (!REVIEW.includes(String(outcome))) continue;
        if (shown.length < SHOWN)
          shown.push({ pipeline, item: String(item), why: `${String(outcome)}: ${String(why)}` });
        else left += 1;
      }
    } catch (error) {
      if (!(error instanceof CliFailure)) throw error;
    }
  }
  return { shown, left };
}
