import type { StoryClient } from '../api-client';
import { foldPresent, type Present } from './present';

const pageEntries = 1_000;
const presentPagesMax = 20;

/** Folded from the newest pages; older values than those are found by going back until every fact is known. */
export async function presentOf(client: StoryClient, service: string, untilMs?: number): Promise<Present> {
  const until = untilMs === undefined ? {} : { until: untilMs };
  let entries = [
    ...(await client.ledger(service, { newestFirst: true, limit: pageEntries, ...until })).entries,
  ].reverse();
  for (let page = 1; page < presentPagesMax; page++) {
    const first = entries[0];
    const known = foldPresent(entries);
    if (!first || first.seq <= 1 || (known.primary !== null && known.breaker !== null && known.routedAt !== null))
      break;
    const after = Math.max(0, first.seq - 1 - pageEntries);
    const older = (await client.ledger(service, { after, limit: first.seq - 1 - after })).entries;
    entries = [...older, ...entries];
  }
  return foldPresent(entries);
}
