import type { RouteRecord } from '../../../domain/route';
import { HaproxyAnswerRefused } from './errors';
import type { LanePlan } from './lanes';
import { mapFile } from './layout';
import { entriesOf } from './map-entries';
import type { MasterCli } from './master-cli';
import { ofEach, prepare, putInForce, viewOf } from './running';
import type { WrittenRoute } from './stored-route';

/** A reload may begin at any moment: a worker that came up meanwhile is brought to the same route. */
const roundsMax = 4;

/**
 * Every worker has the route when this resolves, also one that a reload brought up in between.
 * @param generations of the map, opened in each worker before anything was looked at
 */
export async function reachAll(
  cli: MasterCli,
  generations: ReadonlyMap<number, number>,
  change: {
    readonly directory: string;
    readonly written: WrittenRoute;
    readonly plan: LanePlan;
    readonly since: number | null;
    readonly former: RouteRecord | null;
  },
): Promise<void> {
  const { directory, written, plan, since, former } = change;
  const service = written.record.service;
  const file = mapFile(directory, service);
  const entries = entriesOf(written.record, plan, { digest: written.digest, fallbackSince: since, former });
  const left = new Set<number>();
  for (let round = 0; round < roundsMax; round += 1) {
    const behind = await ofEach(cli, async (worker) => {
      const { pid } = worker;
      if (left.has(pid)) return false;
      if (round > 0 && (await viewOf(cli, pid, file)).digest === written.digest) return false;
      const opened = round === 0 ? generations.get(pid) : undefined;
      const generation = opened ?? (await prepare(cli, pid, file));
      const outcome = await putInForce(cli, worker, { directory, service, plan, entries, generation });
      if (outcome === 'cannot follow') left.add(pid);
      return true;
    });
    // A round in which nothing had to be done is the proof that all have it.
    if (round > 0 && ![...behind.values()].some(Boolean)) return;
  }
  throw new HaproxyAnswerRefused(
    `the route of ${service}: HAProxy was reloaded again and again meanwhile; epoch ${written.record.epoch} is written down and its last worker may not have it`,
  );
}
