import { seededUniform } from '../domain/detection/seeded-random';
import { episode, type Episode, type EpisodePlan } from './caches/episode';
import { Redis } from './caches/redis';
import { BadUse, medianRow, row, type Bench, type Row } from './report';

const HIT_RATES = [0.5, 0.9, 0.99];
const RUNS = 10;
const ARMS = { invalidate: 'invalidate', versioned: 'version-tagged', auto: 'auto' } as const;
type Arm = keyof typeof ARMS;

const PLAN: Omit<EpisodePlan, 'hitRate'> = {
  perSecond: 150,
  slaMs: 80,
  hotKeys: 400,
  pinnedShare: 0.2,
  parallel: 4,
  serviceMs: 20,
  warmUpMs: 800,
  beforeMs: 1_000,
  duringMs: 2_000,
  afterMs: 1_000,
};

/**
 * The latency of applications that keep answers in a real Redis, around a rollback to a version that served before: with
 * everything dropped, with entries kept by version, and as `auto` chooses. `--runs N`: of each arm at each hit rate.
 */
export const bench: Bench = async ({ more, say, seed }) => {
  const runs = Number(more['runs'] ?? RUNS);
  if (!Number.isInteger(runs) || runs < 1) throw new BadUse(`--runs: found ${more['runs']}, expected a whole number`);
  const redis = await Redis.start();
  const measured = new Map<string, Episode[]>();
  const random = seededUniform(seed);
  try {
    for (let run = 0; run < runs; run += 1) {
      for (const hitRate of HIT_RATES) {
        // Neighbours in time are compared, each arm first in turn.
        const arms = Object.keys(ARMS) as Arm[];
        for (const arm of [...arms.slice(run % 3), ...arms.slice(0, run % 3)]) {
          const one = await episode(redis.port, ARMS[arm], { ...PLAN, hitRate }, random);
          const key = `${hitRate}.${arm}`;
          measured.set(key, [...(measured.get(key) ?? []), one]);
          say(
            `${run + 1}/${runs} ${key}: p99 ${one.before.toFixed(0)} ${one.during.toFixed(0)} ${one.after.toFixed(0)} ms${arm === 'auto' ? `; ${one.strategy}: ${one.why}` : ''}`,
          );
        }
      }
    }
  } finally {
    redis.stop();
  }
  const all = [...measured.values()].flat();
  const stale = all.map((one) => one.stale);
  return {
    policy: { ...PLAN, runs },
    rows: [
      ...HIT_RATES.flatMap((hitRate) => rowsOf(hitRate, measured)),
      row(
        'stale.served',
        'answers',
        stale.reduce((sum, one) => sum + one, 0),
        stale,
        { better: 'zero' },
      ),
    ],
  };
};

function rowsOf(hitRate: number, measured: ReadonlyMap<string, Episode[]>): Row[] {
  const of = (arm: Arm): Episode[] => measured.get(`${hitRate}.${arm}`) ?? [];
  const chosen = of('auto').map(({ strategy }) => (strategy === 'version-tagged' ? 1 : 0));
  return [
    ...(Object.keys(ARMS) as Arm[]).flatMap((arm) => [
      medianRow(
        `${hitRate}.${arm}.p99`,
        'ms, 2 s from the rollback',
        of(arm).map(({ during }) => during),
      ),
      medianRow(
        `${hitRate}.${arm}.before.p99`,
        'ms',
        of(arm).map(({ before }) => before),
      ),
      medianRow(
        `${hitRate}.${arm}.after.p99`,
        'ms',
        of(arm).map(({ after }) => after),
      ),
    ]),
    medianRow(`${hitRate}.auto.choice`, '0 invalidate, 1 version-tagged', chosen),
  ];
}
