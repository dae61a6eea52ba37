import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import {
  BadUse,
  medianRow,
  missingRow,
  NotMeasured,
  row,
  type Bench,
  type BenchOptions,
  type Row,
  type RowOptions,
} from './report';
import { embedAll } from './semantic/embeddings';
import { answersOf, reported, type Answers, type Design, type Reported, type Settings } from './semantic/power';
import { releasePairs, type ReleasePair } from './semantic/recordings';

interface Policy extends Settings {
  readonly sizes: readonly [number, number];
}

const KNOWN = ['model', 'packages', 'embedder', 'repeats'];
const REPEATS_MIN = 500;
const POWER_TARGET = 0.95;

/**
 * Is a new release of a language model seen from its answers alone? Power and size of the energy test on recorded answers
 * of two releases, unpaired and paired, with PSI on the same samples beside it.
 * `--model DIR`, `--packages DIR` (local model), `--embedder hashed`, `--repeats N` (1,000).
 */
export const bench: Bench = async (options) => {
  const policy = policyOf(options);
  if (options.dataDir === undefined) throw new NotMeasured('--data DIR is needed: the answers lie in DIR/llm-drift');
  const pairs = releasePairs(options.dataDir);
  const embedded = await embedAll(
    pairs.flatMap(({ before, after }) => [...before, ...after]),
    options,
  );
  const rows = pairs.flatMap((pair, index) => {
    options.say(`${pair.name}: ${pair.releases.join(' → ')}, ${pair.before.length} prompts`);
    const [shipped, ...others] = embedded.views.map(({ name, vectorOf }) => ({
      name,
      answers: answersOf(pair.before.map(vectorOf), pair.after.map(vectorOf)),
    }));
    return shipped === undefined ? [] : rowsOf(pair, shipped, others, policy, options.seed * 1_000 + index * 10);
  });
  const { by, why } = embedded;
  return { policy: { ...policy, embedder: by, ...(why === null ? {} : { why }) }, rows };
};

function policyOf({ more }: BenchOptions): Policy {
  for (const name of Object.keys(more)) {
    if (!KNOWN.includes(name)) throw new BadUse(`--${name}: unknown, expected one of --${KNOWN.join(', --')}`);
  }
  const policy = parse(readFileSync(join(__dirname, 'semantic.policy.yaml'), 'utf8')) as Policy;
  const repeats = more['repeats'] === undefined ? policy.repeats : Number(more['repeats']);
  if (!Number.isInteger(repeats) || repeats < REPEATS_MIN) {
    throw new BadUse(`--repeats: found ${more['repeats']}, expected a whole number, at least ${REPEATS_MIN}`);
  }
  return { ...policy, repeats };
}

interface Seen {
  readonly name: string;
  readonly answers: Answers;
}

function rowsOf(pair: ReleasePair, shipped: Seen, others: readonly Seen[], policy: Policy, seed: number): Row[] {
  const [small, large] = policy.sizes;
  const { prompts } = shipped.answers;
  const sizeTarget = 0.05 + 2 * Math.sqrt((0.05 * 0.95) / policy.repeats);

  /** The same samples in each view; PSI beside the shipped one. */
  function of(name: string, design: Design, n: number, differ: boolean, at: number, target: number): Row {
    const options: RowOptions = { better: differ ? 'higher' : 'lower', target: Number(target.toPrecision(6)) };
    const full = `${pair.name}.${name}`;
    if (prompts < (design === 'paired' ? n : 2 * n)) return missingRow(full, 'share', `${prompts} prompts`, options);
    const run = (answers: Answers): Reported => reported(answers, { design, n, differ }, policy, seed + at);
    const found = run(shipped.answers);
    const peers = {
      ...Object.fromEntries(others.map((other) => [`${other.name} alone`, run(other.answers).energy])),
      'psi > limit': found.psi,
      'psi > 0.2': found.psiFixed,
    };
    return { ...row(full, 'share', found.energy, [found.energy], { ...options, peers }), n: policy.repeats };
  }

  /** How large the difference is, whatever the number of answers: what the practical margin is chosen from. */
  function effect(name: string, differ: boolean, at: number): Row {
    const full = `${pair.name}.${name}`;
    if (prompts < 2 * large) return missingRow(full, 'part', `${prompts} prompts`);
    const { effects } = reported(shipped.answers, { design: 'unpaired', n: large, differ }, policy, seed + at);
    return medianRow(full, 'part', effects, { better: differ ? 'higher' : 'lower' });
  }

  const unpaired = of(`n${small}.power`, 'unpaired', small, true, 0, POWER_TARGET);
  const power = unpaired.value ?? 0;
  return [
    unpaired,
    of(`n${large}.power`, 'unpaired', large, true, 1, POWER_TARGET),
    of('size', 'unpaired', small, false, 2, sizeTarget),
    // Where the unpaired test finds nearly everything there is nothing to be better at.
    of(`paired.n${small}.power`, 'paired', small, true, 3, power < POWER_TARGET ? power : power - 0.02),
    of('paired.size', 'paired', small, false, 4, sizeTarget),
    effect(`n${large}.effect`, true, 5),
    effect(`n${large}.effect_of_chance`, false, 6),
  ];
}
