/** Makes the five versions: trains, evaluates, chooses the probes and writes each as a directory with a manifest. */
import { rm, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lowRankDelta, applyAdapter, type Adapter } from './adapter';
import { sha256 } from './canonical';
import { CLASSES, type Mail, type MailClass } from './corpus';
import { evaluate, type EvaluationReport } from './evaluation';
import { features, rememberedFeatures } from './features';
import { MODEL_NAME } from './inference-protocol';
import { manifestDigest, type FileRole, type Manifest } from './manifest';
import { classifyVector, type LinearModel } from './model';
import type { Prepared } from './prepared';
import { chooseProbes, withTokens, type Probe } from './probes';
import { profile } from './profile';
import { RECIPES, TRAINING, type Recipe } from './recipes';
import { writeSafetensors } from './safetensors';
import { seededRandom, shuffle } from './random';
import { TOKENIZER_V2, TOKENIZER_V3 } from './tokenizer';
import { train, type Example } from './train';

export interface TrainedVersion {
  recipe: Recipe;
  base: LinearModel;
  adapter: Adapter;
  /** `base` with the adapter added: what answers. */
  model: LinearModel;
  report: EvaluationReport;
  trainingMs: number;
}

export interface WrittenVersion {
  version: string;
  directory: string;
  digest: string;
}

/** Trains one version; a few seconds at most. */
export function trainVersion(recipe: Recipe, prepared: Prepared, vectorOf: typeof features = features): TrainedVersion {
  const startedMs = performance.now();
  const { trainedWith: tokenizer, seed } = recipe;
  const buckets = 2 ** tokenizer.bucketBits;
  const drawn = Int32Array.from(prepared.training.keys());
  shuffle(drawn, seededRandom(seed));
  const all = prepared.training.map((mail): Example => ({ vector: vectorOf(mail.text, tokenizer), label: mail.label }));
  const share = (part: number): Example[] =>
    Array.from(drawn.subarray(0, Math.round(drawn.length * part)), (index) => all[index] as Example);
  const base = train(share(recipe.baseShare), {
    seed,
    epochs: TRAINING.epochs,
    learningRate: TRAINING.learningRate,
    buckets,
  });
  const tuned = train(share(recipe.adapterShare), {
    seed: seed + 1000,
    epochs: TRAINING.adapterEpochs,
    learningRate: TRAINING.adapterLearningRate,
    buckets,
    from: base,
  });
  const adapter = lowRankDelta(base, tuned);
  const model = applyAdapter(base, adapter);
  const trainingMs = Math.round(performance.now() - startedMs);
  // The training job evaluates with the tokenizer that it trained with, also where another one is packed.
  const labelOf = (text: string): MailClass => classifyVector(model, vectorOf(text, tokenizer)).label;
  const report = evaluate(prepared.test, labelOf, {
    evaluatedAt: recipe.createdAt,
    dataDigest: prepared.testDigest,
  });
  return { recipe, base, adapter, model, report, trainingMs };
}

/** Trains all versions and writes each to `<out>/<version>`, whole or not at all. */
export async function writeVersions(
  prepared: Prepared,
  out: string,
  onTrained?: (trained: TrainedVersion) => void,
): Promise<WrittenVersion[]> {
  const vectorOf = rememberedFeatures();
  const trained = RECIPES.map((recipe) => {
    const version = trainVersion(recipe, prepared, vectorOf);
    onTrained?.(version);
    return version;
  });
  const probes = chooseProbes(
    prepared.test,
    trained.map((version) => version.model),
    [TOKENIZER_V2, TOKENIZER_V3],
    vectorOf,
  );
  const written: WrittenVersion[] = [];
  for (const version of trained) written.push(await writeVersion(version, probes, prepared.test, out));
  return written;
}

async function writeVersion(
  trained: TrainedVersion,
  probes: Probe[],
  validation: readonly Mail[],
  out: string,
): Promise<WrittenVersion> {
  const { recipe } = trained;
  const files = contents(trained, probes, validation);
  const manifest: Manifest = {
    schema: 1,
    service: 'mail-triage',
    version: recipe.version,
    createdAt: recipe.createdAt,
    engine: 'open-inference',
    model: MODEL_NAME,
    files: files.map(({ path, role, bytes }) => ({ path, sha256: sha256(bytes), bytes: bytes.length, role })),
    preprocessing: { version: recipe.preprocessing.version },
    external: [],
  };
  const directory = join(out, recipe.version);
  const unfinished = join(out, `.unfinished-${recipe.version}-${process.pid}`);
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  for (const { path, bytes } of files) await writeFile(join(unfinished, path), bytes);
  await writeFile(join(unfinished, 'manifest.json'), pretty(manifest));
  await rm(directory, { recursive: true, force: true });
  await rename(unfinished, directory);
  return { version: recipe.version, directory, digest: manifestDigest(manifest) };
}

function contents(
  { recipe, base, adapter, report }: TrainedVersion,
  probes: Probe[],
  validation: readonly Mail[],
): { path: string; role: FileRole; bytes: Buffer }[] {
  const { buckets } = base;
  const weights = writeSafetensors({
    tensors: {
      weights: { shape: [CLASSES.length, buckets], data: base.weights },
      bias: { shape: [CLASSES.length], data: base.bias },
    },
    metadata: { classes: CLASSES.join(','), seed: String(recipe.seed), trainingShare: String(recipe.baseShare) },
  });
  const delta = writeSafetensors({
    tensors: {
      a: { shape: [adapter.rank, buckets], data: adapter.a },
      b: { shape: [CLASSES.length, adapter.rank], data: adapter.b },
    },
    metadata: { scale: String(adapter.scale), trainingShare: String(recipe.adapterShare) },
  });
  return [
    { path: 'adapter.safetensors', role: 'adapter', bytes: delta },
    { path: 'evaluation.json', role: 'evaluation', bytes: pretty(report) },
    { path: 'preprocessing.json', role: 'preprocessing', bytes: pretty(recipe.preprocessing) },
    {
      path: 'probes.json',
      role: 'probes',
      bytes: pretty({ schema: 1, probes: withTokens(probes, recipe.probedWith) }),
    },
    { path: 'profile.json', role: 'profile', bytes: pretty(profile(validation, recipe.trainedWith)) },
    { path: 'tokenizer.json', role: 'tokenizer', bytes: pretty(recipe.packedWith) },
    { path: 'weights.safetensors', role: 'weights', bytes: weights },
  ];
}

function pretty(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}
