import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { guardLive } from '../../../activities/guard-live';
import { openInferenceEngine } from '../../../adapters/serving/open-inference';
import type { LiveInput, LiveResult } from '../../../workflows/contract/activities';
import { FakeServingRuntime } from '../../support/fakes/serving-runtime';
import { startFakeModel, type FakeModel } from '../../support/fake-model';

const service = 'mail';
const version = '1.2';
const digest = `sha256:${'1'.repeat(64)}`;
const nameOf = (id: string): string => `${service}@${version}#${id}`;

let copy: FakeModel;
let runtime: FakeServingRuntime;

beforeEach(async () => {
  copy = await startFakeModel({ digest, version, model: service });
  runtime = new FakeServingRuntime();
  await runs('a');
});
afterEach(() => copy.close());

async function runs(id: string): Promise<void> {
  const request = { service, version, instance: nameOf(id), artifact: '/a', digest };
  await runtime.start(request, new AbortController().signal);
}

function guard(change: Partial<LiveInput> = {}): { env: MockActivityEnvironment; result: Promise<LiveResult> } {
  const env = new MockActivityEnvironment();
  const engine = openInferenceEngine();
  const copies = [{ address: copy.address, instance: nameOf('a'), digest }];
  const times = { intervalMs: 20, returnAfterMs: 20_000 };
  const input: LiveInput = { service, version, model: service, copies, known: 'answers', ...times, ...change };
  const result: Promise<LiveResult> = env.run(guardLive({ engine: () => engine, serving: () => runtime }), input);
  result.catch(() => undefined);
  return { env, result };
}

test('the first look is told at once', async () => {
  await expect(guard({ known: null }).result).resolves.toMatchObject({ condition: 'answers', why: '' });
});

test('a copy whose process has ended is dead at the next look, with how it ended', async () => {
  const { result } = guard();
  await copy.close();
  runtime.end(nameOf('a'), 'SIGKILL');
  await expect(result).resolves.toMatchObject({ condition: 'dead', why: `${nameOf('a')} ended: SIGKILL` });
});

test('somebody else who answers at the address of a dead copy does not bring it back to life', async () => {
  runtime.end(nameOf('a'), 'lost: the host was restarted');
  copy.options.digest = `sha256:${'2'.repeat(64)}`;
  await expect(guard().result).resolves.toMatchObject({ condition: 'dead' });
});

test('a copy that does not answer and whose process is there is silent, after a while and never dead', async () => {
  const began = performance.now();
  await copy.close();
  const { condition, why } = await guard().result;
  expect(condition).toBe('silent');
  expect(why).toMatch(/ECONNREFUSED/);
  expect(performance.now() - began).toBeGreaterThanOrEqual(5_000);
}, 20_000);

test('one copy that answers is enough', async () => {
  await runs('b');
  runtime.end(nameOf('b'), 'SIGKILL');
  const gone = { address: 'http://127.0.0.1:1', instance: nameOf('b'), digest };
  const copies = [gone, { address: copy.address, instance: nameOf('a'), digest }];
  await expect(guard({ copies, returnAfterMs: 200 }).result).resolves.toMatchObject({ condition: 'answers' });
});

test('a dead one is told again when its time is over', async () => {
  await copy.close();
  runtime.end(nameOf('a'), 'SIGKILL');
  await expect(guard({ known: 'dead', returnAfterMs: 100 }).result).resolves.toMatchObject({ condition: 'dead' });
});

test('it ends when it is cancelled', async () => {
  const { env, result } = guard({ intervalMs: 10_000 });
  env.cancel();
  await expect(result).rejects.toBeInstanceOf(CancelledFailure);
});

test('of two copies the one that does not answer for a while is named, though the other one answers', async () => {
  const copies = [
    { address: copy.address, instance: nameOf('a@here'), digest },
    { address: 'http://127.0.0.1:9', instance: nameOf('a@there'), digest },
  ];
  const { result } = guard({ copies, knownDown: [] });
  await expect(result).resolves.toMatchObject({ condition: 'answers', down: [nameOf('a@there')] });

  const back = [copies[0]!, { ...copies[1]!, address: copy.address }];
  const again = await guard({ copies: back, knownDown: [nameOf('a@there')] }).result;
  expect(again).toEqual({ condition: 'answers', why: '', at: expect.any(Number) });
});
