/** The prepared mails and the built versions, made once below `.cache/mail-triage` and shared by all tests. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { transformSync } from '@swc/core';
import { buildVersions, type BuildResult } from '../../../examples/mail-triage/build';
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
  const out = join(CACHE, 'test-js', String(process.pid));
  mkdirSync(out, { recursive: true });
  for (const file of readdirSync(EXAMPLE).filter((name) => name.endsWith('.ts'))) {
    const { code } = transformSync(readFileSync(join(EXAMPLE, file), 'utf8'), {
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'commonjs' },
    });
    writeFileSync(join(out, file.replace(/\.ts$/, '.js')), code);
  }
  return join(out, 'server.js');
}
