import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { wilsonUpper } from '../domain/detection/rate-limits';
import { durationText } from '../domain/detection/verdict';
import { runEpisode, reset, type Episode } from './exposure/episode';
import {
  boundMs,
  errorRates,
  FAULTS,
  INJECTIONS,
  LOST_CLASS,
  LOST_SHARE,
  type FaultName,
  type Rates,
} from './exposure/faults';
import { Bench, pause, TRUSTED, type State } from './exposure/installation';
import {
  medianRow,
  missingRow,
  NotMeasured,
  quantile,
  row,
  type Bench as Benchmark,
  type Row,
  type RowOptions,
} from './report';

const SHORT = { episodes: 3, historyMs: 45_000, cleanMs: 20_000 };
const FULL = { historyMs: 120_000, cleanMs: 300_000 };
/** Labels come 3 to 6 s late, in batches of a quarter of a second. */
const LABEL_DELAY_MS = 4_500 + 125;
/** A row of the telemetry closes 100 ms after its first failure. */
const ROW_DELAY_MS = 100;
/** Class mix of the replayed mail. */
const CLASS_SHARE = 0.16;
const MIN_REQUESTS = 20;
/** Good history is made at this rate, so that every class has enough labels. */
const HISTORY_PER_SECOND = 50;

/**
 * How long users meet a broken version: faults in a live process, from their moment to restored and settled.
 * `--episodes N` of each fault (3), `--faults LIST`, `--out FILE` gets each episode as a line of JSON as it ends.
 */
export const bench: Benchmark = async ({ seed, dataDir, more, say }) => {
  const faults = faultsOf(more['faults']);
  const asked = more['episodes'] === undefined ? null : Number(more['episodes']);
  if (asked !== null && !(Number.isInteger(asked) && asked > 0))
    throw new NotMeasured(`--episodes: found ${more['episodes']}, expected a whole number above 0`);
  const plan = { ...(asked === null ? SHORT : { ...FULL, episodes: asked }), ...given(more) };
  if (asked === null)
    say(`short run: ${plan.episodes} episodes of ${faults.join(', ')}; --episodes 20 is the full one`);
  const began = performance.now();
  const installed = await Bench.start({ dataDir: dataDir ?? join('.cache', 'mail-triage'), seed, say });
  const interrupted = (): void => void installed.stop().then(() => process.exit(130));
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    const historyRequests = await goodHistory(installed, plan.historyMs, say);
    const clean = await cleanRun(installed, plan.cleanMs, say);
    const { falseAlarmDays, metrics } = installed.policy.detection;
    say(
      `charts: ${metrics.map(({ metric }) => `${metric} at most one false alarm in ${falseAlarmDays} days`).join(', ')}`,
    );
    const episodes: Episode[] = [];
    const failures: Partial<Record<FaultName, string>> = {};
    for (const fault of faults) {
      for (let number = 1; number <= plan.episodes; number += 1) {
        try {
          const episode = await runEpisode(installed, fault, number);
          episodes.push(episode);
          if (more['out'] !== undefined) appendFileSync(more['out'], `${JSON.stringify(episode)}\n`);
          say(lineOf(episode));
        } catch (error) {
          if (!(error instanceof NotMeasured)) throw error;
          failures[fault] = error.message;
          say(`${fault} ${number}: not measured: ${error.message}`);
        }
      }
    }
    say(`${episodes.length} episodes in ${durationText(performance.now() - began)}`);
    const rows = faults.flatMap((fault) =>
      rowsOf(
        fault,
        episodes.filter((episode) => episode.fault === fault),
        failures[fault],
        { falseAlarmDays, historyRequests },
      ),
    );
    return { policy: installed.policy, rows: [...rows, clean] };
  } finally {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
    await installed.stop();
  }
};

/** `--history S` and `--clean S`: seconds of good history and of the run without faults. */
function given(more: Readonly<Record<string, string>>): { historyMs?: number; cleanMs?: number } {
  const seconds = (name: string): number | null => {
    if (more[name] === undefined) return null;
    const value = Number(more[name]);
    if (value > 0) return value * 1_000;
    throw new NotMeasured(`--${name}: found ${more[name]}, expected a number of seconds above 0`);
  };
  const [historyMs, cleanMs] = [seconds('history'), seconds('clean')];
  return { ...(historyMs === null ? {} : { historyMs }), ...(cleanMs === null ? {} : { cleanMs }) };
}

function faultsOf(list: string | undefined): FaultName[] {
  if (list === undefined) return [...FAULTS];
  return list.split(',').map((name) => {
    const found = FAULTS.find((known) => known === name);
    if (!found) throw new NotMeasured(`--faults: found ${name}, expected some of ${FAULTS.join(', ')}`);
    return found;
  });
}

/** Once: the trusted version serves well long enough to have a history, then the release that will be broken. */
async function goodHistory(installed: Bench, historyMs: number, say: (line: string) => void): Promise<number> {
  await installed.act('vouch', { version: TRUSTED });
  await installed.act('deploy', { version: TRUSTED });
  await installed.until(`${TRUSTED} is live`, live(TRUSTED), 90_000);
  await installed.load.rate(HISTORY_PER_SECOND);
  say(`good history: ${durationText(historyMs)} at ${HISTORY_PER_SECOND} requests a second`);
  await pause(historyMs);
  const { records } = await installed.load.read();
  await reset(installed, 'killed');
  return records.length;
}

/** Good traffic on the same policy: every rollback in it is a false one. */
async function cleanRun(installed: Bench, cleanMs: number, say: (line: string) => void): Promise<Row> {
  const after = await installed.ledgerHead();
  const first = (await installed.load.read()).records.length;
  await pause(cleanMs);
  const decided = await installed.entry(['rollback-decided'], after, 1);
  const requests = (await installed.load.read()).records.length - first;
  say(`clean: ${requests} requests in ${durationText(cleanMs)}, ${decided === null ? 'no' : 'a'} rollback`);
  if (requests < MIN_REQUESTS)
    return missingRow('clean.false_rollbacks', '', `only ${requests} requests`, { better: 'zero' });
  return row('clean.false_rollbacks', '', decided === null ? 0 : 1, [decided === null ? 0 : 1], { better: 'zero' });
}

function live(version: string): (state: State) => boolean {
  return ({ declared, operation }) => declared?.primary === version && operation === null;
}

function lineOf({
  fault,
  number,
  restoredMs,
  settledMs,
  shiftedMs,
  stages,
  metric,
  expected,
  sent,
  failed,
  dropped,
}: Episode): string {
  const ms = (value: number | null): string => (value === null ? '–' : `${Math.round(value)} ms`);
  const parts = Object.entries(stages).map(([name, value]) => `${name} ${ms(value)}`);
  return (
    `${fault} ${number}: restored ${ms(restoredMs)} (ledger: shifted ${ms(shiftedMs)}), settled ${ms(settledMs)}; ` +
    `${parts.join(', ')}; ${metric ?? 'no chart'} expected ${expected ?? '–'}; ${sent} sent, ${failed} failed, ${dropped} dropped`
  );
}

function rowsOf(
  fault: FaultName,
  episodes: readonly Episode[],
  failure: string | undefined,
  charts: ChartFacts,
): Row[] {
  const enough = episodes.filter(({ sent }) => sent >= MIN_REQUESTS);
  const why = failure ?? (episodes.length > enough.length ? 'too few requests' : 'no episode');
  const of = (value: (episode: Episode) => number | null): number[] =>
    enough.map(value).filter((found): found is number => found !== null);
  const target = targetsOf(fault);
  const both = (name: string, values: readonly number[]): Row[] => [
    quantileRow(`${fault}.${name}.p50`, values, 0.5, why, target[`${name}.p50`]),
    quantileRow(`${fault}.${name}.p99`, values, 0.99, why, target[`${name}.p99`]),
  ];
  const stages = (['detect', 'decide', 'prepare', 'shift', 'verify'] as const).map((stage) =>
    quantileRow(
      `${fault}.${stage}.p50`,
      of((episode) => episode.stages[stage]),
      0.5,
      why,
    ),
  );
  const sum = (name: string, value: (episode: Episode) => number, zero: boolean): Row => {
    const values = enough.map(value);
    const options: RowOptions = zero ? { better: 'zero' } : {};
    if (values.length === 0) return missingRow(`${fault}.${name}`, '', why, options);
    return row(
      `${fault}.${name}`,
      '',
      values.reduce((total, one) => total + one, 0),
      values,
      options,
    );
  };
  const ledgerError = of(({ restoredMs, shiftedMs, unnoticed }) =>
    shiftedMs === null || unnoticed ? null : Math.abs(shiftedMs - restoredMs),
  );
  return [
    ...both(
      'restored',
      of(({ restoredMs }) => restoredMs),
    ),
    ...both(
      'settled',
      of(({ settledMs }) => settledMs),
    ),
    ...stages,
    sum('failed', ({ failed }) => failed, fault === 'killed'),
    failedAllowed(fault, enough, why),
    missingRow(`${fault}.streams.broken`, '', 'mail-triage answers in one piece; bench crash measures streams'),
    sum('dropped', ({ dropped }) => dropped, true),
    sum('unnoticed', ({ unnoticed }) => Number(unnoticed), false),
    sum('provisional', ({ provisional }) => Number(provisional), true),
    sum('unsettled', ({ settledMs }) => Number(settledMs === null), true),
    ledgerError.length > 0
      ? row(`${fault}.ledger.difference`, 'ms', Math.max(...ledgerError), ledgerError, { target: 100 })
      : missingRow(`${fault}.ledger.difference`, 'ms', episodes.length > 0 ? 'no request was bad' : why),
    ...ratioRow(fault, enough, why, charts),
  ];
}

/** A fault that hits every request may cost at most those that were sent before it was over. */
function failedAllowed(fault: FaultName, episodes: readonly Episode[], why: string): Row {
  const name = `${fault}.failed.beyond`;
  if (episodes.length === 0) return missingRow(name, '', why, { better: 'zero' });
  const values = episodes.map(({ failed, sentWhileExposed }) => Math.max(0, failed - sentWhileExposed));
  return row(
    name,
    '',
    values.reduce((total, one) => total + one, 0),
    values,
    { better: 'zero' },
  );
}

/** Delay of the detection by the least that it can be for the rates that the alarming chart had in force. */
function ratioRow(fault: FaultName, episodes: readonly Episode[], why: string, charts: ChartFacts): Row[] {
  if (fault !== 'errors5pct' && fault !== 'oneclass') return [];
  const name = `${fault}.ratio`;
  const least = episodes.map((episode) => leastDelayMs(fault, episode, charts));
  const ratios = episodes.flatMap(({ stages: { detect } }, index) => {
    const bound = least[index] ?? null;
    return detect === null || bound === null ? [] : [detect / bound];
  });
  if (ratios.length === 0) return [missingRow(name, '', why, { target: 2 })];
  const known = least.filter((bound): bound is number => bound !== null);
  return [medianRow(name, '', ratios, { target: 2, peers: { 'bound.ms': Math.round(quantile(known, 0.5)) } })];
}

/**
 * Null where another chart alarmed first than the one that the bound is for. A history without an error does not say that
 * there is none: the chart's rate in force is then the upper limit that the history allows, as in the detector.
 */
function leastDelayMs(
  fault: 'errors5pct' | 'oneclass',
  { metric, expected }: Episode,
  { falseAlarmDays, historyRequests }: ChartFacts,
): number | null {
  const { perSecond } = INJECTIONS[fault];
  if (expected === null) return null;
  if (fault === 'errors5pct') {
    if (metric !== 'error-rate') return null;
    const inForce = wilsonUpper(expected * historyRequests, historyRequests);
    return boundMs(errorRates(inForce, perSecond), falseAlarmDays) + ROW_DELAY_MS;
  }
  if (metric !== `recall:${LOST_CLASS}`) return null;
  const before = 1 - expected;
  const rates: Rates = { before, after: before + expected * LOST_SHARE, perSecond: perSecond * CLASS_SHARE };
  return boundMs(rates, falseAlarmDays) + LABEL_DELAY_MS;
}

interface ChartFacts {
  readonly falseAlarmDays: number;
  /** Requests of the good history that the limits were made from. */
  readonly historyRequests: number;
}

function quantileRow(name: string, values: readonly number[], q: number, why: string, target?: number): Row {
  const options: RowOptions = target === undefined ? {} : { target };
  if (values.length === 0) return missingRow(name, 'ms', why, options);
  return row(name, 'ms', quantile(values, q), values, options);
}

function targetsOf(fault: FaultName): Readonly<Record<string, number>> {
  switch (fault) {
    case 'killed':
      return { 'settled.p50': 1_500, 'settled.p99': 3_000 };
    case 'errors500':
    case 'hang':
      return { 'restored.p50': 2_000, 'restored.p99': 4_000 };
    case 'errors5pct':
    case 'oneclass':
      return {};
  }
}
