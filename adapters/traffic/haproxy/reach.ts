import { HaproxyAnswerRefused } from './errors';
import { fillGeneration, openGeneration, putInForce, type Change, type Generation } from './generation';
import type { MasterCli } from './master-cli';
import { ofEach, viewOf } from './running';

/** A reload may begin at any moment: a worker that came up meanwhile is brought to the same route. */
const roundsMax = 4;

/**
 * Puts the route in force where a generation was opened. It is filled while the record is being written down (`announced`),
 * and in force only afterwards.
 * @returns workers that cannot follow: a reload has left them without the servers of the route
 */
export async function reachOpened(
  cli: MasterCli,
  opened: readonly Generation[],
  change: Change,
  announced: Promise<void>,
): Promise<Set<number>> {
  announced.catch(() => undefined);
  const left = new Set<number>();
  for (const generation of opened) {
    const { pid } = generation.worker;
    try {
      const filled = await fillGeneration(cli, generation, change);
      await announced;
      if (filled === 'cannot follow') left.add(pid);
      else await putInForce(cli, generation, change);
    } catch (fault) {
      // A reload since it was opened has made it an old one: those that are there now are looked at next.
      if (!(fault instanceof HaproxyAnswerRefused)) throw fault;
    }
  }
  await announced;
  return left;
}

/** Every worker has the route when this resolves, also one that a reload brought up in between. */
export async function reachAll(
  cli: MasterCli,
  left: Set<number>,
  change: Change & { readonly digest: string; readonly epoch: number },
): Promise<void> {
  const { file, service, digest, epoch } = change;
  for (let round = 0; round < roundsMax; round += 1) {
    const behind = await ofEach(cli, async (worker) => {
      const { pid } = worker;
      if (left.has(pid) || (await viewOf(cli, pid, file)).digest === digest) return false;
      const generation = await openGeneration(cli, worker, file);
      if ((await fillGeneration(cli, generation, change)) === 'cannot follow') left.add(pid);
      else await putInForce(cli, generation, change);
      return true;
    });
    // A round in which nothing had to be done is the proof that all have it.
    if (![...behind.values()].some(Boolean)) return;
  }
  throw new HaproxyAnswerRefused(
    `the route of ${service}: HAProxy was reloaded again and again meanwhile; epoch ${epoch} is written down and its last worker may not have it`,
  );
}
