import type { ChaosResult, Experiment, RunReport } from '../../workers/chaos/run';
import type { Entry } from '../types';
import { moment } from './words';

type Finding = ChaosResult['findings'][number];
type Reading = ChaosResult['invariants'][number];

/** A run as the ledger has it. `verdict` null: it has begun, and nobody told its end. */
export interface RecordedRun {
  readonly run: string;
  readonly service: string;
  readonly experiment: string;
  readonly beganAt: number | null;
  readonly endedAt: number | null;
  readonly by: string;
  readonly verdict: string | null;
  readonly recoverMs: number | null;
  readonly findings: readonly Finding[];
  readonly invariants: readonly Reading[];
  readonly leftovers: readonly string[];
}

const marks = (ok: boolean | null): string => (ok === null ? '?   ' : ok ? 'ok  ' : 'BAD ');

function findingLines(findings: readonly Finding[], invariants: readonly Reading[]): string[] {
  return [
    ...findings.map(({ what, ok, why }) => `${marks(ok)} ${what}: ${why}`),
    ...invariants.map(({ invariant, holds, why }) => `${marks(holds)} ${invariant}: ${why}`),
  ];
}

export function renderRun({
  run,
  experiment,
  verdict,
  findings,
  invariants,
  recoverMs,
  leftovers,
}: RunReport): string[] {
  const recovered = recoverMs === null ? '' : `, recovered after ${(recoverMs / 1_000).toFixed(1)} s`;
  return [
    ...findingLines(findings, invariants),
    ...leftovers.map((line) => `LEFT BEHIND: ${line}`),
    `${experiment}: ${verdict.toUpperCase()}${recovered} (run ${run})`,
  ];
}

export function renderExperiment(experiment: Experiment): string[] {
  const { name, why, service, trigger, at, fault, expect, users, steadyState } = experiment;
  const target =
    trigger.kind === 'none'
      ? 'nothing is triggered'
      : `rollback to ${trigger.to ?? (trigger.cold ? 'a version that is not kept warm' : 'the next good version')}`;
  return [
    `${name}: ${why}`,
    `  service: ${service}, with ${users.perSecond} counted requests a second`,
    `  steady state: at most ${steadyState.errors.atMost * 100} % of ${steadyState.errors.of} requests fail, the route is the same for ${steadyState.routeStableMs / 1_000} s`,
    `  trigger: ${target}`,
    `  fault: ${fault.kind}${'version' in fault ? ` of ${fault.version}` : ''}, ${at === 'before' ? 'before it' : `in the step ${at}`}`,
    `  expected within ${expect.withinMs / 1_000} s: ${expect.outcomes.join(' or ')}; at most ${expect.lostAtMost} requests without an answer, ${expect.failedAtMost} failed`,
    `  invariants: ${expect.invariants.join(', ')}`,
    `  steady state again within ${experiment.recoverWithinMs / 1_000} s after the fault`,
  ];
}

/** The run with what this entry says of it; null where the entry is about no run. */
export function readRun(service: string, entry: Entry, known: ReadonlyMap<string, RecordedRun>): RecordedRun | null {
  const { facts, actor, at } = entry;
  const { run, experiment, phase } = facts;
  if (facts['act'] !== 'chaos' || typeof run !== 'string' || typeof experiment !== 'string') return null;
  const base: RecordedRun = known.get(run) ?? {
    ...{ run, service, experiment, beganAt: null, endedAt: null, by: actor.name, verdict: null, recoverMs: null },
    ...{ findings: [], invariants: [], leftovers: [] },
  };
  if (phase === 'began') return { ...base, beganAt: at };
  return {
    ...base,
    endedAt: at,
    verdict: typeof facts['verdict'] === 'string' ? facts['verdict'] : null,
    recoverMs: typeof facts['recoverMs'] === 'number' ? facts['recoverMs'] : null,
    findings: listOf<Finding>(facts['findings']),
    invariants: listOf<Reading>(facts['invariants']),
    leftovers: listOf<string>(facts['leftovers']),
  };
}

/** What `lastgood chaos run` wrote itself. */
function listOf<T>(value: unknown): readonly T[] {
  return Array.isArray(value) ? (value as T[]) : [];
}

export function renderRunLine({ run, service, experiment, beganAt, by, verdict, recoverMs }: RecordedRun): string {
  const when = beganAt === null ? '?' : moment(beganAt);
  const recovered = recoverMs === null ? '' : `, recovered after ${(recoverMs / 1_000).toFixed(1)} s`;
  return `  ${when} ${service} ${experiment}: ${verdict ?? 'its end is not known'}${recovered}, by ${by} (${run})`;
}

export function renderRecordedRun(run: RecordedRun): string[] {
  return [
    renderRunLine(run).trim(),
    ...findingLines(run.findings, run.invariants),
    ...run.leftovers.map((line) => `LEFT BEHIND: ${line}`),
  ];
}
