import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Embedder } from '../../activities/ports';
import { hashedEmbedder } from '../../adapters/embedding/hashed';
import { joinedEmbedder } from '../../adapters/embedding/joined';
import { ONNX_PACKAGES, onnxEmbedder } from '../../adapters/embedding/onnx';
import { BadUse, type BenchOptions } from '../report';

/** One way to see a text; the first of several is the one that is shipped. */
export interface View {
  readonly name: 'joined' | 'meaning' | 'wording';
  readonly vectorOf: (text: string) => Float32Array;
}

export interface Embedded {
  readonly by: string;
  /** Why the local model was not used; null where it was. */
  readonly why: string | null;
  readonly views: readonly View[];
}

const CACHE = join(__dirname, '..', '..', '..', '.cache');
const TEXTS_A_CALL = 100;

/**
 * Embeds each different text once, by the local model (meaning) and as n-grams (wording); what was embedded in an earlier
 * run is read from `.cache/`. Without the model, by n-grams alone.
 */
export async function embedAll(texts: readonly string[], options: BenchOptions): Promise<Embedded> {
  const different = [...new Set(texts)];
  const wording = await known(hashedEmbedder(), different, options.say);
  const local = localModel(options);
  if (typeof local === 'string') {
    options.say(`n-grams alone: ${local}`);
    return { by: wording.by, why: local, views: [{ name: 'wording', vectorOf: wording.vectorOf }] };
  }
  const meaning = await known(local, different, options.say);
  await local.close();
  const recorded = (source: Known): Embedder => ({
    embed: (asked) => Promise.resolve({ by: source.by, vectors: asked.map(source.vectorOf) }),
  });
  const joined = await known(joinedEmbedder(recorded(meaning), recorded(wording)), different, options.say, 'now');
  return {
    by: joined.by,
    why: null,
    views: [
      { name: 'joined', vectorOf: joined.vectorOf },
      { name: 'meaning', vectorOf: meaning.vectorOf },
      { name: 'wording', vectorOf: wording.vectorOf },
    ],
  };
}

/** The local model where model and packages can be had; why not otherwise. `--embedder hashed` does without. */
function localModel({ dataDir, more, say }: BenchOptions): ReturnType<typeof onnxEmbedder> | string {
  const asked = more['embedder'] ?? 'onnx';
  if (asked !== 'onnx' && asked !== 'hashed') {
    throw new BadUse(`--embedder: found ${asked}, expected onnx or hashed`);
  }
  if (asked === 'hashed') return '--embedder hashed';
  const directory = more['model'] ?? join(dataDir ?? '', '..', 'models', 'all-minilm-l6-v2');
  if (!existsSync(directory)) return `there is no model at ${directory} (--model DIR)`;
  const packages = more['packages'] ?? installedAt(say);
  if (packages === null) return `${ONNX_PACKAGES.join(' and ')} cannot be had`;
  return onnxEmbedder({ directory, packages });
}

/** Where the packages of the local model are; fetched into the project's cache where they are not. */
function installedAt(say: (line: string) => void): string | null {
  const root = join(CACHE, '..');
  const target = join(CACHE, 'embedding');
  const found = [root, target].find((directory) => hasPackages(directory));
  if (found !== undefined) return found;
  say(`fetches ${ONNX_PACKAGES.join(' and ')} into .cache/embedding, once`);
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, 'package.json'), '{"private":true}');
  try {
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    execFileSync('npm', ['install', ...quiet, ...ONNX_PACKAGES], {
      cwd: target,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  } catch {
    return null;
  }
  return hasPackages(target) ? target : null;
}

function hasPackages(directory: string): boolean {
  const load = createRequire(join(directory, 'package.json'));
  return ONNX_PACKAGES.every((name) => {
    try {
      return load.resolve(name.replace(/@[^@]+$/, '')) !== '';
    } catch {
      return false;
    }
  });
}

interface Known {
  readonly by: string;
  readonly vectorOf: (text: string) => Float32Array;
}

/** Vectors by text, from a file named by what was embedded and by whom; `now`: not worth a file. */
async function known(
  embedder: Embedder,
  texts: readonly string[],
  say: (line: string) => void,
  how: 'cached' | 'now' = 'cached',
): Promise<Known> {
  const signal = new AbortController().signal;
  const { by, vectors: first } = await embedder.embed(texts.slice(0, 1), signal);
  const digest = createHash('sha256')
    .update(JSON.stringify([by, texts]))
    .digest('hex');
  const file = join(CACHE, 'semantic', `${digest}.f32`);
  let vectors = how === 'now' ? null : readVectors(file, texts.length, first[0]?.length ?? 0);
  if (vectors === null) {
    vectors = [];
    for (let from = 0; from < texts.length; from += TEXTS_A_CALL) {
      vectors.push(...(await embedder.embed(texts.slice(from, from + TEXTS_A_CALL), signal)).vectors);
      if (from % 1_000 === 0 && how === 'cached') say(`${by}: ${from} of ${texts.length} texts`);
    }
    if (how === 'cached') writeVectors(file, vectors);
  }
  const byText = new Map(texts.map((text, index) => [text, vectors[index] as Float32Array]));
  return { by, vectorOf: (text) => byText.get(text) ?? new Float32Array() };
}

function readVectors(file: string, count: number, dimensions: number): Float32Array[] | null {
  if (!existsSync(file)) return null;
  const bytes = readFileSync(file);
  const flat = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  if (flat.length !== count * dimensions) return null;
  return Array.from({ length: count }, (_, index) => flat.slice(index * dimensions, (index + 1) * dimensions));
}

function writeVectors(file: string, vectors: readonly Float32Array[]): void {
  mkdirSync(join(CACHE, 'semantic'), { recursive: true });
  const parts = vectors.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength));
  writeFileSync(file, Buffer.concat(parts));
}
