import type { ServicePolicy } from '../../domain/policy';
import type { Background } from './backgrounds';
import { RECENT_MINUTES, type Case } from './cases';
import { PEERS, type PeerName } from './peers';
import { watchDeploy } from './shipped';
import { makeWorld, MINUTE_MS } from './world';

/** What became of one case. Times in minutes after the onset (a clean deploy: after the deploy); null: never. */
export interface Outcome {
  readonly kind: Case['kind'];
  readonly seed: number;
  /** First verdict, whatever it was laid to, at or after the onset. */
  readonly detected: number | null;
  readonly rolledBack: number | null;
  /** A rollback before the onset: a false one. */
  readonly early: boolean;
  /** What the verdicts from the onset on were laid to: the model where one of them was, else the first one's cause. */
  readonly attribution: 'model' | 'environment' | 'undetermined' | null;
  /** Metrics and causes of all verdicts, for people. */
  readonly story: readonly string[];
  readonly peers: Readonly<Record<PeerName, number | null>>;
}

export async function runCase(of: Case, backgrounds: readonly Background[], policy: ServicePolicy): Promise<Outcome> {
  const world = makeWorld(of, backgrounds);
  // The other rules read minute after minute.
  const whole = world.rows.filter(({ fromMs }) => fromMs >= world.deployMs - RECENT_MINUTES * MINUTE_MS);
  const peers = Object.fromEntries(
    Object.entries(PEERS).map(([name, peer]) => [name, peer({ ...world, rows: whole })]),
  ) as Outcome['peers'];
  const judged = await watchDeploy(world, policy);
  const fromMs = world.onsetMs ?? world.deployMs;
  const since = (atMs: number): number => (atMs - fromMs) / MINUTE_MS;
  const after = judged.filter(({ atMs }) => atMs > fromMs);
  const rollback = judged.find(({ rollsBack }) => rollsBack);
  const early = rollback !== undefined && rollback.atMs <= fromMs;
  const first = after[0];
  return {
    kind: of.kind,
    seed: of.seed,
    detected: first ? since(first.atMs) : null,
    rolledBack: rollback && !early ? since(rollback.atMs) : null,
    early,
    attribution: after.some(({ attribution }) => attribution === 'model') ? 'model' : (first?.attribution ?? null),
    story: judged.map(({ atMs, metric, attribution }) => `${since(atMs).toFixed(1)}m ${metric} ${attribution}`),
    peers: Object.fromEntries(
      Object.entries(peers).map(([name, atMs]) => [name, atMs === null ? null : since(atMs)]),
    ) as Outcome['peers'],
  };
}
