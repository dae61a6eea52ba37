import { existsSync } from 'node:fs';
import { EXCESS_LIMIT } from '../domain/detection/series-chart';
import { robustZ } from './peers/robust-z';
import { windowedGaussian } from './peers/windowed-gaussian';
import { BadUse, median, missingRow, NotMeasured, row, type Bench, type Row } from './report';
import { pairedBootstrap } from './series/bootstrap';
import { countEvents, eventQuality, type EventCounts } from './series/event-scoring';
import { csvFiles, dataFolder, readRecordings, type Recording } from './series/recordings';
import { beyond, forwardFilled, judgedDays, leaveOneOut, replay, thresholds, UNKNOWN_SERIES } from './series/replay';

const ROBUST_Z_THRESHOLD = 6.8;
const SWEEP = thresholds(3, 9, 26);

/** Events of the cloud-monitoring recordings of `--data`: found, missed, made up, and rolled back from. */
export const bench: Bench = async ({ dataDir, more, seed, say }) => {
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) throw new BadUse(`--${unknown}: unknown`);
  const files = readCloud(dataDir);
  const replayed = files.map(replay);
  const sustained = files.map((file, at) => countEvents(replayed[at]?.degraded ?? [], file.labels));
  const filled = files.map((file) => forwardFilled(file.values));
  const at = (scores: readonly (readonly number[])[], threshold: number): EventCounts[] =>
    files.map((file, index) => countEvents(beyond(scores[index] ?? [], threshold), file.labels));
  const excess = replayed.map((each) => each.excess);
  const counts = at(excess, EXCESS_LIMIT);
  const sweep = SWEEP.map((threshold) => at(excess, threshold));
  const left = leaveOneOut(sweep, (of) => eventQuality(of).f1);
  say(
    `F1 by limit: ${SWEEP.map((limit, step) => `${limit.toFixed(1)} ${eventQuality(sweep[step] ?? []).f1.toFixed(3)}`).join(', ')}`,
  );
  const robust = at(filled.map(robustZ), ROBUST_Z_THRESHOLD);
  const gaussianScores = filled.map(windowedGaussian);
  // Fitted on these very files: an advantage that the peer is given.
  const gaussian = thresholds(2, 20, 80)
    .map((threshold) => at(gaussianScores, threshold))
    .reduce((best, each) => (eventQuality(each).f1 > eventQuality(best).f1 ? each : best));

  const days = files.reduce((sum, file) => sum + judgedDays(file), 0);
  const total = (of: readonly EventCounts[], key: 'events' | 'hits' | 'falseAlarms'): number =>
    of.reduce((sum, each) => sum + each[key], 0);
  const events = total(counts, 'events');
  if (events === 0) throw new NotMeasured('no recording has a labelled event after its probation');
  say(
    `${files.length} series, ${days.toFixed(0)} series-days, ${events} events, ${total(counts, 'falseAlarms')} false alarms`,
  );
  const peersOf = (of: (each: readonly EventCounts[]) => number): Record<string, number> => ({
    'robust-z': Number(of(robust).toPrecision(3)),
    'windowed-gaussian': Number(of(gaussian).toPrecision(3)),
  });
  const measure = (
    name: string,
    unit: string,
    of: (each: readonly EventCounts[]) => number,
    options: { target?: number; better: 'higher' | 'lower' },
    n = events,
  ): Row => ({ ...row(name, unit, of(counts), undefined, { ...options, peers: peersOf(of) }), n });

  const clean = files.flatMap((file, index) =>
    file.labels.includes(true) ? [] : [replayed[index]?.degraded.length ?? 0],
  );
  const quality = eventQuality(sustained);
  return {
    policy: {
      chart: UNKNOWN_SERIES,
      excessLimit: EXCESS_LIMIT,
      sustained: '4 of 5',
      peers: { 'robust-z': ROBUST_Z_THRESHOLD, 'windowed-gaussian': 'threshold fitted on the judged files' },
    },
    rows: [
      measure('f1', 'ratio', (each) => eventQuality(each).f1, { target: 0.65, better: 'higher' }),
      measure('precision', 'ratio', (each) => eventQuality(each).precision, { better: 'higher' }),
      measure('recall', 'ratio', (each) => eventQuality(each).recall, { better: 'higher' }),
      measure(
        'false.per_series_day',
        '1/day',
        (each) => total(each, 'falseAlarms') / days,
        { target: 0.05, better: 'lower' },
        files.length,
      ),
      measure(
        'delay.median',
        'samples',
        (each) => median(each.flatMap(({ delays }) => delays)),
        { better: 'lower' },
        total(counts, 'hits'),
      ),
      { ...row('sustained.recall', 'ratio', quality.recall, undefined, { better: 'higher' }), n: events },
      {
        ...row('sustained.precision', 'ratio', quality.precision, undefined, { better: 'higher' }),
        n: total(sustained, 'hits'),
      },
      clean.length === 0
        ? missingRow('clean.rollbacks', 'verdicts', 'no series is without anomalies', { better: 'zero' })
        : {
            ...row(
              'clean.rollbacks',
              'verdicts',
              clean.reduce((sum, each) => sum + each, 0),
              undefined,
              { better: 'zero' },
            ),
            n: clean.length,
          },
      { ...row('f1.leave_one_out', 'ratio', eventQuality(left).f1, undefined, { better: 'higher' }), n: events },
      gain('f1.gain.robust-z', counts, robust, seed),
      gain('f1.gain.windowed-gaussian', counts, gaussian, seed),
    ],
  };
};

function readCloud(dataDir: string | undefined): Recording[] {
  const holdsSeries = (folder: string): boolean => existsSync(folder) && csvFiles(folder).length > 0;
  const files = readRecordings(dataFolder(dataDir, 'cloud-monitoring', holdsSeries));
  return files.filter((file) => file.times.length > 0);
}

/** F1 above a peer, with the 95 % interval of a paired bootstrap over series. */
function gain(name: string, ours: readonly EventCounts[], peer: readonly EventCounts[], seed: number): Row {
  const over = (drawn: readonly number[]): number =>
    eventQuality(drawn.flatMap((at) => ours[at] ?? [])).f1 - eventQuality(drawn.flatMap((at) => peer[at] ?? [])).f1;
  const { low, high } = pairedBootstrap(ours.length, over, seed);
  const value = over(ours.map((_, at) => at));
  return { ...row(name, 'ratio', value, undefined, { better: 'higher' }), n: ours.length, min: low, max: high };
}
