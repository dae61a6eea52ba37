import { NOVELTY_LIMIT } from '../domain/detection/series-chart';
import { robustZ } from './peers/robust-z';
import { windowedGaussian } from './peers/windowed-gaussian';
import { BadUse, row, type Bench, type Row } from './report';
import { pairedBootstrap } from './series/bootstrap';
import { readNab, type NabFile } from './series/nab-corpus';
import { NAB_PROFILES, normalisedScore, scoreFile, type NabFileScore, type NabProfileName } from './series/nab-scoring';
import {
  beyond,
  forwardFilled,
  judgedDays,
  leaveOneOut,
  newsAt,
  replay,
  thresholds,
  UNKNOWN_SERIES,
} from './series/replay';

/** Sum of surprises (nats) that raises news, by profile: well inside the range in which the score hardly changes. */
const LIMITS: Record<NabProfileName, number> = { standard: NOVELTY_LIMIT, low_fp: 19, low_fn: 16 };
const SWEEP = thresholds(10, 30, 26);
/** The best published causal detector (kNN-CAD, threshold fitted) on the files that this chart was developed on. */
const TARGETS: Record<NabProfileName, number> = { standard: 64.4, low_fp: 50.4, low_fn: 71 };

/** NAB's score of the shipped chart's news on the recordings of `--data`, beside two causal peers. */
export const bench: Bench = async ({ dataDir, more, seed, say }) => {
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) throw new BadUse(`--${unknown}: unknown`);
  const files = readNab(dataDir);
  const before = process.cpuUsage();
  const replayed = files.map(replay);
  const { user, system } = process.cpuUsage(before);
  const points = files.reduce((sum, file) => sum + file.values.length, 0);
  const novelties = replayed.map((each) => each.novelty);
  say(`${files.length} files, ${files.reduce((sum, file) => sum + file.windows.length, 0)} windows`);
  const filled = files.map((file) => forwardFilled(file.values));
  const gaussianAlarms = peerAlarms(filled.map(windowedGaussian));
  const robustAlarms = peerAlarms(filled.map(robustZ));
  const names = Object.keys(NAB_PROFILES) as NabProfileName[];
  const rows = names.flatMap((name): Row[] => {
    const score = (limit: number): NabFileScore[] =>
      files.map((file, at) => scored(file, newsAt(novelties[at] ?? [], limit), name));
    const ours = score(LIMITS[name]);
    const gaussian = fitted(files, gaussianAlarms, name);
    const robust = fitted(files, robustAlarms, name);
    const sweep = SWEEP.map(score);
    const left = leaveOneOut(sweep, normalisedScore);
    say(
      `${name} by limit: ${SWEEP.map((limit, at) => `${limit.toFixed(1)} ${normalisedScore(sweep[at] ?? []).toFixed(1)}`).join(', ')}`,
    );
    const options = {
      target: TARGETS[name],
      better: 'higher',
      peers: { 'windowed-gaussian': normalisedScore(gaussian), 'robust-z': normalisedScore(robust) },
    } as const;
    const hit = ours.reduce((sum, file) => sum + file.windowsHit, 0);
    const wrong = ours.reduce((sum, file) => sum + file.falsePositives, 0);
    say(
      `${name}: ${hit} windows hit, ${wrong} false-positive records; limit chosen on the other files: ${normalisedScore(left).toFixed(1)}`,
    );
    return [
      counted(row(name, 'score', normalisedScore(ours), undefined, options), files.length),
      counted(
        row(`${name}.leave_one_out`, 'score', normalisedScore(left), undefined, { better: 'higher' }),
        files.length,
      ),
      gain(`${name}.gain`, ours, gaussian, seed),
    ];
  });
  const standard = files.map((file, at) => scored(file, newsAt(novelties[at] ?? [], LIMITS.standard), 'standard'));
  const wrong = standard.reduce((sum, file) => sum + file.falsePositives, 0);
  const days = files.reduce((sum, file) => sum + judgedDays(file), 0);
  const bytes = replayed.map((each) => each.stateBytes);
  rows.push(
    counted(row('fp.per_series_day', '1/day', wrong / days), files.length),
    counted(row('point.us', 'µs', (user + system) / points, undefined, { target: 20 }), points),
    row('chart.bytes', 'bytes', Math.max(...bytes), bytes),
  );
  return {
    policy: { chart: UNKNOWN_SERIES, noveltyLimits: LIMITS, peers: 'threshold fitted on the judged files' },
    rows,
  };
};

function scored(file: NabFile, alarms: readonly number[], profile: NabProfileName): NabFileScore {
  return scoreFile(alarms, file.values.length, file.windows, NAB_PROFILES[profile]);
}

/** A peer's alarms at thresholds from two sigmas to none at all: `[threshold][file]`. */
function peerAlarms(scores: readonly (readonly number[])[]): number[][][] {
  return [...thresholds(2, 200, 60), Infinity].map((threshold) => scores.map((each) => beyond(each, threshold)));
}

/** At the best threshold for these very files: an advantage that a peer is given. */
function fitted(
  files: readonly NabFile[],
  alarms: readonly (readonly (readonly number[])[])[],
  profile: NabProfileName,
): NabFileScore[] {
  return alarms
    .map((each) => files.map((file, at) => scored(file, each[at] ?? [], profile)))
    .reduce((best, each) => (normalisedScore(each) > normalisedScore(best) ? each : best));
}

/** Score above a peer, with the 95 % interval of a paired bootstrap over files. */
function gain(name: string, ours: readonly NabFileScore[], peer: readonly NabFileScore[], seed: number): Row {
  const over = (drawn: readonly number[]): number =>
    normalisedScore(drawn.flatMap((at) => ours[at] ?? [])) - normalisedScore(drawn.flatMap((at) => peer[at] ?? []));
  const { low, high } = pairedBootstrap(ours.length, over, seed);
  const value = over(ours.map((_, at) => at));
  return { ...counted(row(name, 'score', value, undefined, { better: 'higher' }), ours.length), min: low, max: high };
}

function counted(of: Row, n: number): Row {
  return { ...of, n };
}
