import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkedInvariants, type Experiment, type RollbackStep } from '../domain/chaos/experiment';
import { runExperiment, type RunReport } from '../workers/chaos/run';
import { readStartTime } from '../workers/temporal/process-identity';
import { Grounds, SERVICE, TARGET } from './chaos/installation';
import { FAULTS, planOf, type FaultName } from './chaos/options';
import { missingRow, NotMeasured, quantile, row, type Bench, type Row } from './report';

/** A run with fewer counted requests says nothing. */
const MIN_REQUESTS = 20;

interface Made {
  readonly name: string;
  readonly report: RunReport | null;
  /** Why it could not be made; null where it was. */
  readonly why: string | null;
}

/** Every fault in every step of a rollback, on a whole installation with counted users. */
export const bench: Bench = async ({ dataDir, more, say }) => {
  const plan = planOf(more);
  const grounds = await Grounds.start({ dataDir: dataDir ?? join('.cache', 'mail-triage'), say });
  const interrupted = (): void => void grounds.stop().then(() => process.exit(130));
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  const made: Made[] = [];
  try {
    for (let round = 1; round <= plan.repeat; round += 1)
      for (const fault of plan.faults)
        for (const step of plan.steps) {
          const one = await runOne(grounds, fault, step, `${fault}.${step}.${round}`);
          made.push(one);
          if (plan.out !== null) appendFileSync(plan.out, `${JSON.stringify(one)}\n`);
          say(lineOf(one));
        }
    return { policy: grounds.policy, rows: rowsOf(made) };
  } finally {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
    await grounds.stop();
  }
};

async function runOne(grounds: Grounds, fault: FaultName, step: RollbackStep, name: string): Promise<Made> {
  try {
    await grounds.reset();
    const { startUsers } = await grounds.chaos.usersOf(SERVICE);
    const report = await runExperiment(
      experimentOf(fault, step),
      {
        world: grounds.world,
        faults: grounds.chaos.faults,
        startUsers,
        hold: grounds.hold,
        stateFile: grounds.stateFile,
        say: () => undefined,
        signal: new AbortController().signal,
        reason: 'bench chaos',
      },
      {
        run: `bench-${Date.now().toString(36)}`,
        pid: process.pid,
        startTime: (await readStartTime(process.pid)) ?? '',
      },
    );
    await grounds.stateFile.clear();
    const { findings, verdict, observations } = report;
    const sent = observations.users?.sent ?? 0;
    if (verdict === 'void' || sent < MIN_REQUESTS) {
      const why = findings.find(({ ok }) => ok !== true)?.why ?? `only ${sent} requests`;
      return { name, report, why };
    }
    return { name, report, why: null };
  } catch (error) {
    if (error instanceof NotMeasured) return { name, report: null, why: error.message };
    throw error;
  }
}

/** What must hold whatever breaks: an end, every invariant, and users who are served again. */
function experimentOf(name: FaultName, step: RollbackStep): Experiment {
  const { fault, lost } = FAULTS[name];
  return {
    name: `${name}-${step}`,
    why: `${name} in ${step}`,
    service: SERVICE,
    users: { perSecond: 20 },
    steadyState: { withinMs: 30_000, errors: { atMost: 0, of: 20 }, routeStableMs: 500 },
    trigger: { kind: 'manual-rollback', to: TARGET, cold: false },
    at: step,
    fault,
    expect: {
      withinMs: 120_000,
      outcomes: ['settled', 'waiting-for-human', 'cancelled'],
      targetDropped: null,
      primary: 'any',
      lostAtMost: lost,
      failedAtMost: Number.MAX_SAFE_INTEGER,
      invariants: [...checkedInvariants],
    },
    recoverWithinMs: 120_000,
    // The reset before the next run does more than that.
    putBack: false,
  };
}

function rowsOf(made: readonly Made[]): Row[] {
  const measured = made.flatMap(({ report, why }) => (report === null || why !== null ? [] : [report]));
  const unmade = row('not_measured', '', made.length - measured.length, [made.length - measured.length], {
    better: 'zero',
  });
  if (measured.length === 0) {
    const why = made[0]?.why ?? 'no run was made';
    return [
      missingRow('experiments', '', why, { better: 'higher' }),
      missingRow('invariants.broken', '', why, { better: 'zero' }),
      missingRow('recovered', '%', why, { better: 'higher', target: 100 }),
      missingRow('recover.p99', 's', why),
      unmade,
    ];
  }
  const broken = measured.map(({ invariants }) => invariants.filter(({ holds }) => holds === false).length);
  const back = measured.map(({ recoverMs }) => Number(recoverMs !== null));
  const seconds = measured.flatMap(({ recoverMs }) => (recoverMs === null ? [] : [recoverMs / 1_000]));
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return [
    row('experiments', '', measured.length, [measured.length], { better: 'higher' }),
    row('invariants.broken', '', sum(broken), broken, { better: 'zero' }),
    row(
      'recovered',
      '%',
      (100 * sum(back)) / measured.length,
      back.map((one) => 100 * one),
      {
        better: 'higher',
        target: 100,
      },
    ),
    seconds.length === 0
      ? missingRow('recover.p99', 's', 'no run recovered')
      : row('recover.p99', 's', quantile(seconds, 0.99), seconds),
    row('requests', '', sum(measured.map(({ observations }) => observations.users?.sent ?? 0)), [measured.length], {
      better: 'higher',
    }),
    unmade,
  ];
}

function lineOf({ name, report, why }: Made): string {
  if (report === null || why !== null) return `${name}: not measured: ${why ?? ''}`;
  const { verdict, recoverMs, observations, invariants, findings } = report;
  const bad = [
    ...invariants.filter(({ holds }) => holds !== true).map((one) => `${one.invariant}: ${one.why}`),
    ...findings.filter(({ ok }) => ok !== true).map((one) => `${one.what}: ${one.why}`),
  ];
  const { sent = 0, lost = 0, failed = 0 } = observations.users ?? {};
  const recovered = recoverMs === null ? 'not recovered' : `recovered in ${(recoverMs / 1_000).toFixed(1)} s`;
  return `${name}: ${verdict}, ${observations.outcome ?? 'no outcome'}, ${recovered}; ${sent} requests, ${lost} lost, ${failed} failed${bad.length === 0 ? '' : `; ${bad.join('; ')}`}`;
}
