import type { LedgerEntry } from '../../examples/mail-triage/demo/controller';
import { NotMeasured } from '../report';
import { INJECTIONS, setFault, type FaultName, type InEffect } from './faults';
import { LIVE, pause, SERVICE, TRUSTED, type Bench, type State } from './installation';
import type { RequestRecord } from './load';
import type { Limits, RoundTrips } from './round-trips';

/** Milliseconds; null where the ledger does not say it. */
export interface Stages {
  readonly detect: number | null;
  readonly decide: number | null;
  readonly prepare: number | null;
  readonly shift: number | null;
  readonly verify: number | null;
}

export interface Episode {
  readonly fault: FaultName;
  readonly number: number;
  /** Sending time of the last bad request − onset, on the users' clock; 0 without one. */
  readonly restoredMs: number;
  readonly unnoticed: boolean;
  /** `settled`, the ledger's word for what came instead, or `silent` where nothing came in time. */
  readonly outcome: string;
  /** Onset → ledger entry `settled`; null when no rollback settled in time. */
  readonly settledMs: number | null;
  /** Onset → the end of what was seen. */
  readonly watchedMs: number;
  /** Onset → traffic shifted, by the ledger; null as above. */
  readonly shiftedMs: number | null;
  readonly stages: Stages;
  /** Activities that ended in each stage; null where the rollback did not settle. */
  readonly roundTrips: RoundTrips | null;
  /** Onset → sending time of the last request that the broken version answered; null where it answered none. */
  readonly leftMs: number | null;
  /** The chart that alarmed first, and the rate that it expected. */
  readonly metric: string | null;
  readonly expected: number | null;
  readonly provisional: boolean;
  readonly sent: number;
  readonly bad: number;
  /** Requests without a good status, or without an answer. */
  readonly failed: number;
  /** Requests that the shift itself lost. */
  readonly dropped: number;
  /** Requests sent between onset and restored: what a total failure may cost at most. */
  readonly sentWhileExposed: number;
}

const FIRST_BYTE_MS = 1_000;
const RESET_MS = 90_000;
/** After the settled entry: what was sent before it must have its fate. */
const TAIL_MS = 12_500;

/** Breaks the live version and follows the rollback to its end. */
export async function runEpisode(bench: Bench, fault: FaultName, number: number): Promise<Episode> {
  const { fault: body, limitMs, perSecond } = INJECTIONS[fault];
  await bench.load.rate(perSecond);
  const ready = await reset(bench, fault);
  const backend = ready.declared?.backends[LIVE]?.[0];
  if (!backend) throw new NotMeasured(`the route names no copy of ${LIVE}`);
  const port = bench.controlPort(backend.instance);
  // Some good traffic between two faults.
  await pause(2_000);
  const after = await bench.ledgerHead();
  const firstRecord = (await bench.load.read()).records.at(-1)?.n ?? 0;
  // A process that is new has always the same pattern of single faults; each episode brings its own.
  const onset = await setFault(port, { ...body, seed: 1_000 * bench.seed + number });
  const settled = await bench.entry(['settled', 'waiting-for-human', 'rollback-refused'], after, limitMs);
  const began = await bench.entry(['degradation-began'], after, 1_000);
  await pause(fault === 'hang' ? TAIL_MS : 1_500);
  // The copy that was left stays warm until the move is confirmed; it is healthy again from here on.
  if (fault !== 'killed') await setFault(port, { kind: 'none' }).catch(() => undefined);
  const records = (await bench.load.read(firstRecord)).records.filter(({ sentMonoMs }) => sentMonoMs >= onset.monoMs);
  const watchedMs = Date.now() - onset.atMs;
  const measures = measured({ fault, number, onset, records, settled, began, watchedMs });
  return { ...measures, roundTrips: await roundTripsOf(bench, onset, settled) };
}

async function roundTripsOf(bench: Bench, onset: InEffect, entry: LedgerEntry | null): Promise<RoundTrips | null> {
  const times = ['detectedAt', 'decidedAt', 'preparedAt', 'shiftedAt', 'settledAt'].map((name) => entry?.facts[name]);
  if (entry === null || entry.incident === null || !times.every((time) => typeof time === 'number')) return null;
  return await bench.histories.roundTrips(SERVICE, entry.incident, [onset.atMs, ...times] as unknown as Limits);
}

function measured(seen: {
  fault: FaultName;
  number: number;
  onset: InEffect;
  records: readonly RequestRecord[];
  settled: LedgerEntry | null;
  began: LedgerEntry | null;
  watchedMs: number;
}): Omit<Episode, 'roundTrips'> {
  const { fault, number, onset, records, settled, began, watchedMs } = seen;
  const entry = settled?.kind === 'settled' ? settled : null;
  const at = (name: string): number | null => {
    const value = entry?.facts[name];
    return typeof value === 'number' ? value : null;
  };
  const isLost = ({ lost, status }: RequestRecord): boolean => lost !== null || status !== 200;
  const isBad = (record: RequestRecord): boolean =>
    isLost(record) ||
    (record.firstByteMs ?? Infinity) > FIRST_BYTE_MS ||
    (fault === 'oneclass' && record.version === LIVE);
  const bad = records.filter(isBad);
  const left = records.filter(({ version }) => version === LIVE).map(({ sentMonoMs }) => sentMonoMs - onset.monoMs);
  const restoredMs = bad.reduce((last, { sentMonoMs }) => Math.max(last, sentMonoMs - onset.monoMs), 0);
  const shiftedAt = at('shiftedAt');
  const afterShift = (record: RequestRecord): boolean => shiftedAt !== null && record.sentAt >= shiftedAt;
  // A hanging or dying process loses its own requests; the shift may lose none, before it or after it.
  const dropped = records.filter(
    (record) =>
      isLost(record) &&
      (afterShift(record) || (record.lost !== null && ['errors500', 'errors5pct', 'oneclass'].includes(fault))),
  );
  const between = (from: number | null, to: number | null): number | null =>
    from === null || to === null ? null : to - from;
  const verified = entry?.facts['verified'] as { byProbesOnly?: boolean } | null | undefined;
  return {
    fault,
    number,
    restoredMs,
    unnoticed: bad.length === 0,
    outcome: settled?.kind ?? 'silent',
    watchedMs,
    leftMs: left.length === 0 ? null : Math.max(...left),
    settledMs: between(onset.atMs, at('settledAt')),
    shiftedMs: between(onset.atMs, shiftedAt),
    stages: {
      detect: between(onset.atMs, at('detectedAt')),
      decide: between(at('detectedAt'), at('decidedAt')),
      prepare: between(at('decidedAt'), at('preparedAt')),
      shift: between(at('preparedAt'), shiftedAt),
      verify: between(shiftedAt, at('settledAt')),
    },
    metric: typeof began?.facts['metric'] === 'string' ? began.facts['metric'] : null,
    expected: typeof began?.facts['expected'] === 'number' ? began.facts['expected'] : null,
    provisional: verified?.byProbesOnly === true,
    sent: records.length,
    bad: bad.length,
    failed: records.filter(isLost).length,
    dropped: dropped.length,
    sentWhileExposed: records.filter(({ sentMonoMs }) => sentMonoMs - onset.monoMs <= restoredMs).length,
  };
}

/** Back to where every episode begins, by acts of an operator: checked, not hoped for. */
export async function reset(bench: Bench, fault: FaultName): Promise<State> {
  let state = await bench.until('no operation in flight', ({ operation }) => operation === null, RESET_MS);
  if (state.breaker.open) await bench.act('clearBreaker', { breakerEpoch: state.breaker.epoch });
  for (const { version, standing } of state.versions)
    if (standing === 'quarantined' || standing === 'suspect') await bench.act('clearQuarantine', { version });
  if (state.versions.some(({ version, human }) => version === TRUSTED && human === null))
    await bench.act('vouch', { version: TRUSTED });
  if (state.declared?.primary !== LIVE) await bench.act('deploy', { version: LIVE });
  state = await bench.until(
    `${LIVE} live, ${TRUSTED} proven and named as fallback (before ${fault})`,
    (now) =>
      now.operation === null &&
      now.declared?.primary === LIVE &&
      now.declared.fallback === TRUSTED &&
      now.standby?.version === TRUSTED &&
      now.standby.proof === 'ok' &&
      now.fallbackInUse === null &&
      now.degradations.length === 0 &&
      !now.breaker.open &&
      (now.cooldownUntil ?? 0) <= Date.now(),
    RESET_MS,
  );
  return state;
}
