import { BadUse, row, type Bench, type Row } from './report';
import { runSurfaces, type Met } from './security/runner';
import { plans } from './security/plans';

const INPUTS = 12_000;
const TARGET_INPUTS = 10_000;

/** Hostile input at every place where something comes in: no crash, and nothing done without the right to it. */
export const bench: Bench = async ({ seed, more, say }) => {
  const inputs = Number(more['inputs'] ?? INPUTS);
  if (!(Number.isInteger(inputs) && inputs > 0))
    throw new BadUse(`--inputs: found ${more['inputs']}, expected a whole number above 0`);
  const wanted = more['surfaces']?.split(',');
  const chosen = plans.filter(({ name }) => wanted === undefined || wanted.some((each) => name.startsWith(each)));
  if (chosen.length === 0)
    throw new BadUse(
      `--surfaces: found ${more['surfaces']}, expected some of ${plans.map(({ name }) => name).join(', ')}`,
    );
  const all = await runSurfaces(chosen, { inputs, seed, onMet: (met) => say(lineOf(met)) });
  return {
    policy: { inputs, surfaces: all.map(({ surface, inputs: n, seed: of }) => ({ surface, inputs: n, seed: of })) },
    rows: rowsOf(all),
  };
};

function rowsOf(all: readonly Met[]): Row[] {
  const total = all.reduce((sum, { inputs }) => sum + inputs, 0);
  const of = (kind: 'crash' | 'admitted'): number[] =>
    all.map(({ found }) => found.filter((one) => one.kind === kind).length);
  const sum = (values: readonly number[]): number => values.reduce((whole, value) => whole + value, 0);
  const [crashes, without] = [of('crash'), of('admitted')];
  const grown = all.map(({ grownBytes }) => grownBytes / 2 ** 20);
  return [
    row(
      'inputs',
      '',
      total,
      all.map(({ inputs }) => inputs),
      { target: TARGET_INPUTS, better: 'higher' },
    ),
    row('crashes', '', sum(crashes), crashes, { better: 'zero' }),
    row('admitted.without_right', '', sum(without), without, { better: 'zero' }),
    row('memory.kept.max', 'MiB', Math.max(0, ...grown), grown),
  ];
}

function lineOf({ surface, inputs, seed, ms, found, grownBytes }: Met): string {
  const head = `${surface}: ${inputs} inputs (seed ${seed}), ${(ms / 1_000).toFixed(1)} s, ${(grownBytes / 2 ** 20).toFixed(1)} MiB kept`;
  return [head, ...found.map((one) => `  ${one.kind} (seed ${one.seed}): ${one.why}\n    input ${one.input}`)].join(
    '\n',
  );
}
