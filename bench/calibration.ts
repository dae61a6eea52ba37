import { VALUE_CHART_DESIGN, VALUE_CHART_RULE } from '../domain/detection/value-chart';
import { verdictDelays } from './calibration/estimated-limits';
import { fixtureChecks } from './calibration/fixture-checks';
import { agrees, readFixtures } from './calibration/fixtures';
import { PROCESSES } from './calibration/processes';
import { runLengthCell, SHIFTS, TABULATED } from './calibration/run-lengths';
import { BadUse, median, missingRow, row, type Bench, type Row } from './report';

const RUNS = 20_000;
/** A run that is longer counts as this: the median is not touched while it is shorter. */
const IN_CONTROL_MOST = 1_200;
const SHIFTED_MOST = 100_000;
const HISTORIES = [100, 300] as const;
/** The history that `shift1sd.arl` is measured after; the other one is a row of its own. */
const SHIFT_HISTORY = 300;

/** Run lengths against theory, in-control runs with estimated limits, statistics against fixtures. `--runs N` a cell. */
export const bench: Bench = async ({ seed, dataDir, more, say }) => {
  const [unknown] = Object.keys(more).filter((name) => name !== 'runs');
  if (unknown !== undefined) throw new BadUse(`--${unknown}: unknown, expected --runs`);
  const runs = Number(more['runs'] ?? RUNS);
  if (!Number.isInteger(runs) || runs < 100)
    throw new BadUse(`--runs: found ${more['runs']}, expected a whole number from 100`);
  const rows = [
    fixtureRow(dataDir, say),
    ...tableRows(runs, seed, say),
    ...inControlRows(runs, seed, say),
    ...shiftRows(runs, seed, say),
  ];
  return {
    policy: { runs, design: VALUE_CHART_DESIGN, rule: VALUE_CHART_RULE, sides: 'both', practicalMargin: 0 },
    rows,
  };
};

function fixtureRow(dataDir: string | undefined, say: (line: string) => void): Row {
  const about = { better: 'zero' } as const;
  if (dataDir === undefined) return missingRow('fixtures.mismatch', 'entries', 'no --data DIR was given', about);
  const checks = fixtureChecks(readFixtures(dataDir));
  const wrong = checks.filter(({ wanted, got }) => !agrees(wanted, got));
  for (const { name, wanted, got } of wrong) {
    say(`${name}: wanted ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`);
  }
  return { ...row('fixtures.mismatch', 'entries', wrong.length, [wrong.length], about), n: checks.length };
}

function tableRows(runs: number, seed: number, say: (line: string) => void): Row[] {
  const cells = TABULATED.flatMap((chart, chartIndex) =>
    SHIFTS.map((_, shiftIndex) => {
      const cellSeed = seed * 1_000 + chartIndex * SHIFTS.length + shiftIndex;
      const cell = runLengthCell(chart, shiftIndex, runs, cellSeed);
      say(
        `${cell.chart} shift ${cell.shift}: ${cell.mean.toFixed(2)} ± ${cell.standardError.toFixed(2)}, ` +
          `table ${cell.expected}, seed ${cellSeed}`,
      );
      return cell;
    }),
  );
  const errors = cells.map(({ mean, expected, standardError }) => Math.abs(mean - expected) / standardError);
  const relative = cells.map(({ mean, expected }) => (100 * Math.abs(mean - expected)) / expected);
  return [
    row('arl.max_se', 'standard errors', Math.max(...errors), errors, { target: 4 }),
    row('arl.max_rel', '%', Math.max(...relative), relative, { target: 2 }),
  ];
}

function inControlRows(runs: number, seed: number, say: (line: string) => void): Row[] {
  return (Object.keys(PROCESSES) as (keyof typeof PROCESSES)[]).flatMap((process, index) =>
    HISTORIES.map((history) => {
      const cellSeed = seed * 1_000 + 500 + 10 * index + HISTORIES.indexOf(history);
      const lengths = verdictDelays(process, history, 0, { runs, most: IN_CONTROL_MOST, seed: cellSeed });
      const middle = median(lengths);
      say(`${process}, limits from ${history} points: median ${middle} points to a false verdict, seed ${cellSeed}`);
      const name = `estimated.${process === 'normal' ? '' : `${process}.`}m${history}.median`;
      return summary(name, middle, lengths, { target: 300, better: 'higher' });
    }),
  );
}

function shiftRows(runs: number, seed: number, say: (line: string) => void): Row[] {
  return HISTORIES.map((history, index) => {
    const cellSeed = seed * 1_000 + 900 + index;
    const lengths = verdictDelays('normal', history, 1, { runs, most: SHIFTED_MOST, seed: cellSeed });
    const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    say(`+1 sigma, limits from ${history} points: mean ${mean.toFixed(2)} points to the verdict, seed ${cellSeed}`);
    const name = history === SHIFT_HISTORY ? 'shift1sd.arl' : `shift1sd.m${history}.arl`;
    return summary(name, mean, lengths, { target: 13 });
  });
}

function summary(
  name: string,
  value: number,
  lengths: readonly number[],
  options: { target: number; better?: 'higher' },
): Row {
  // Spreading 20,000 numbers into Math.min is more than a call may have on some stacks.
  const sorted = [...lengths].sort((left, right) => left - right);
  const ends = [sorted[0] ?? NaN, sorted[sorted.length - 1] ?? NaN];
  return { ...row(name, 'points', value, ends, options), n: lengths.length };
}
