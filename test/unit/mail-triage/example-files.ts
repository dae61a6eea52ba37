/** The prepared mails and the built versions, made once below `.cache/mail-triage` and shared by all tests. */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { transformSync } from '@swc/core';
import { buildVersions, type BuildResult } from '../../../examples/mail-triage/build';
import { sha256 } from '../../../examples/mail-triage/canonical';
import { preparedMails, type Prepared } from '../../../examples/mail-triage/prepared';

const ROOT = resolve(__dirname, '../../..');
const EXAMPLE = join(ROOT, 'examples/mail-triage');
const CACHE = join(ROOT, '.cache/mail-triage');

/** The first test to ask pays for the preparation and the training. */
export const BUILD_TIMEOUT_MS = 120_000;

export function prepared(): Promise<Prepared> {
  return preparedMails(CACHE);
}

export function built(): Promise<BuildResult> {
  return buildVersions({ out: join(CACHE, 'artifacts'), data: CACHE });
}

/** The example's JavaScript, for tests that need a process of its own; answers the path of `server.js`. */
export function compiledServer(): string {
  const files = readdirSync(EXAMPLE).filter((name) => name.endsWith('.ts'));
  const sources = files.map((file) => readFileSync(join(EXAMPLE, file), 'utf8'));
  // Named by its content: two tests at once write the same bytes, and an old compilation is never used.
  const out = join(CACHE, 'test-js', sha256(JSON.stringify(sources)).slice(0, 16));
  mkdirSync(out, { recursive: true });
  files.forEach((file, index) => {
    const { code } = transformSync(sources[index] as string, {
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'commonjs' },
    });
    const path = join(out, file.replace(/\.ts$/, '.js'));
    writeFileSync(`${path}.${process.pid}`, code);
    renameSync(`${path}.${process.pid}`, path);
  });
  return join(out, 'server.js');
}
