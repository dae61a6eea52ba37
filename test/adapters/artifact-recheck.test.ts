import { chmodSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { loadTarget } from '../../activities/load-target';
import type { Engine, ServingRuntime } from '../../activities/ports';
import { openDirectoryStore } from '../../adapters/artifacts/directory-store';
import { sealOf } from '../../adapters/artifacts/seal';
import { writeArtifact } from '../support/artifact-directory';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const quiet = (): MockActivityEnvironment => new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });

afterAll(removeTemporary);

async function stored() {
  const root = temporaryDirectory('store');
  const store = await openDirectoryStore({ directory: root });
  const { info } = await store.import(writeArtifact(temporaryDirectory('offer'), { version: '1.0' }));
  return { root, store, digest: info.digest };
}

function rewrite(directory: string, name: string, change: (bytes: Buffer) => Buffer): void {
  const file = join(directory, name);
  chmodSync(file, 0o644);
  writeFileSync(file, change(readFileSync(file)));
}
const flipped = (bytes: Buffer): Buffer => {
  const other = Buffer.from(bytes);
  other[other.length - 1] = (other[other.length - 1] ?? 0) ^ 1;
  return other;
};

/** Loads the version by a runtime that does something while the copy starts; it reports the right digest whatever it loaded. */
async function load(whileStarting: (directory: string) => void) {
  const { store, digest } = await stored();
  const state = { version: '1.0', address: 'http://127.0.0.1:9', digest, startedAt: 0, exit: null, memoryBytes: null };
  const runtime: ServingRuntime = {
    kind: 'process',
    start: (request) => {
      whileStarting(request.artifact ?? '');
      return Promise.resolve({ ...state, instance: request.instance, state: 'running' });
    },
    inspect: () => Promise.resolve({ instances: [], foreign: [] }),
    stop: () => Promise.reject(new Error('not stubbed')),
    logs: () => Promise.resolve(''),
  };
  const engine = {
    name: 'fake',
    ready: () => Promise.resolve({ ready: true, why: '' }),
    identity: () => Promise.resolve({ digest, version: '1.0', means: 'reported-digest' }),
  } as unknown as Engine;
  const activity = loadTarget({ artifacts: store, serving: () => runtime, engine: () => engine });
  const input = {
    service: 'mail',
    version: '1.0',
    digest,
    instance: 'mail@1.0#1',
    model: 'mail',
    readyWithinMs: 5_000,
  };
  return await quiet().run(activity, input);
}

describe('a copy that loads its artifact', () => {
  it('is taken where nothing was written meanwhile, or the same bytes again', async () => {
    expect(await load(() => undefined)).toMatchObject({ ok: true });
    expect(await load((directory) => rewrite(directory, 'tokenizer.json', (bytes) => bytes))).toMatchObject({
      ok: true,
    });
  });

  it.each(['weights.safetensors', 'tokenizer.json', 'adapter/delta.safetensors', 'profile.json'])(
    'is refused where %s was exchanged after it had been verified, although the copy reports the right digest',
    async (name) => {
      expect(await load((directory) => rewrite(directory, name, flipped))).toEqual({
        ok: false,
        why: expect.stringMatching(`^changed while mail@1\\.0#1 loaded it: ${name}: changed`) as string,
      });
    },
  );

  it('is refused where a file appeared beside the others', async () => {
    const why = expect.stringContaining('generation_config.json: extra') as string;
    const outcome = await load((directory) => {
      chmodSync(directory, 0o755);
      writeFileSync(join(directory, 'generation_config.json'), '{}');
    });
    expect(outcome).toEqual({ ok: false, why });
  });

  it('is refused although size and time of change of the exchanged file are what they were', async () => {
    const outcome = await load((directory) => {
      const then = new Date(0);
      utimesSync(join(directory, 'weights.safetensors'), then, then);
      rewrite(directory, 'weights.safetensors', flipped);
      utimesSync(join(directory, 'weights.safetensors'), then, then);
    });
    expect(outcome).toMatchObject({ ok: false });
  });
});

describe('a recheck', () => {
  it('reads no file where nothing was written, and every one where nobody knows', async () => {
    const { root, store } = await stored();
    const { directory } = await store.materialise('mail', '1.0');
    const seal = await sealOf(directory);
    expect(await store.recheck('mail', '1.0')).toEqual([]);
    expect(await sealOf(directory)).toBe(seal);
    rewrite(directory, 'weights.safetensors', flipped);
    expect(await sealOf(directory)).not.toBe(seal);
    const after = await openDirectoryStore({ directory: root });
    expect(await after.recheck('mail', '1.0')).toMatchObject([{ path: 'weights.safetensors', problem: 'changed' }]);
  });
});
