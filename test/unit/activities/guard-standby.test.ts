import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { guardStandby } from '../../../activities/guard-standby';
import type { GoldenProbe } from '../../../activities/ports';
import { openInferenceEngine } from '../../../adapters/serving/open-inference';
import type { GuardInput, GuardResult } from '../../../workflows/contract/activities';
import { startFakeModel, type FakeModel } from '../../support/fake-model';
import { FakeArtifactStore } from '../../support/fakes/artifact-store';
import { until } from '../../support/poll';

const service = 'mail';
const version = '1.2';
const digest = `sha256:${'1'.repeat(64)}`;

const probe = (id: string): GoldenProbe => ({
  id,
  request: { inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: [id] }] },
  expect: { output: 'label', value: 'spam' },
});

let copy: FakeModel;
let artifacts: FakeArtifactStore;
beforeEach(async () => {
  copy = await startFakeModel({ digest, version, model: service });
  artifacts = new FakeArtifactStore();
  const info = { version, digest, createdAt: 1, importedAt: 1, engine: 'open-inference', model: service };
  artifacts.put(service, { ...info, evaluation: null, probes: 2, external: [], bytes: 1 }, [probe('a'), probe('b')]);
});
afterEach(() => copy.close());

interface Run {
  readonly env: MockActivityEnvironment;
  readonly result: Promise<GuardResult>;
  readonly beats: number[];
}

function guard(change: Partial<GuardInput>): Run {
  const env = new MockActivityEnvironment();
  const beats: number[] = [];
  env.on('heartbeat', () => beats.push(performance.now()));
  const backend = { address: copy.address, instance: `${service}@${version}#s1`, digest };
  const engine = openInferenceEngine();
  const times = { intervalMs: 30, returnAfterMs: 20_000 };
  const input: GuardInput = { service, version, model: service, backend, known: 'ok', ...times, ...change };
  const result: Promise<GuardResult> = env.run(guardStandby({ artifacts, engine: () => engine }), input);
  result.catch(() => undefined);
  return { env, result, beats };
}

test('a proof is readiness, digest and every golden probe; the first one is told at once', async () => {
  const before = Date.now();
  const result = await guard({ known: 'unproven' }).result;
  expect(result).toMatchObject({ ok: true, changed: true, why: '' });
  expect(result.at).toBeGreaterThanOrEqual(before);
  expect(copy.inferences.map(({ text }) => JSON.parse(text) as unknown)).toEqual([
    probe('a').request,
    probe('b').request,
  ]);
});

test('it proves each interval and stays silent while nothing changes, until its time is over', async () => {
  const intervalMs = 60;
  const began = performance.now();
  const { result, beats } = guard({ intervalMs, returnAfterMs: 400 });
  await expect(result).resolves.toMatchObject({ ok: true, changed: false });
  const passed = performance.now() - began;
  const proofs = copy.inferences.length / 2;
  expect(passed).toBeGreaterThanOrEqual(400);
  expect(proofs).toBeGreaterThanOrEqual(2);
  // A proof takes no time of the pause between two.
  expect(proofs).toBeLessThanOrEqual(passed / intervalMs + 1);
  expect(beats.length).toBeGreaterThanOrEqual(1);
});

test('it returns when a good copy fails, and when a failed one is good again', async () => {
  const failing = guard({ known: 'ok' });
  await until('the first proof', () => copy.inferences.length >= 2);
  copy.options.label = 'bulk';
  const failed = await failing.result;
  expect(failed).toMatchObject({ ok: false, changed: true });
  expect(failed.why).toMatch(/bulk/);

  const healing = guard({ known: 'failed' });
  const asked = copy.inferences.length;
  await until('two proofs that fail', () => copy.inferences.length >= asked + 2);
  copy.options.label = 'spam';
  await expect(healing.result).resolves.toMatchObject({ ok: true, changed: true, why: '' });
});

test('another digest, a copy that is not ready and one that is gone are failures in words', async () => {
  copy.options.digest = `sha256:${'2'.repeat(64)}`;
  const other = await guard({}).result;
  expect(other.why).toMatch(/it reports sha256:2{64}.*expected sha256:1{64}/);
  copy.options.digest = digest;
  copy.faults = { notReady: true };
  expect((await guard({}).result).why).toMatch(/^not ready/);
  const { address } = copy;
  await copy.close();
  const gone = await guard({ backend: { address, instance: 'x', digest } }).result;
  expect(gone).toMatchObject({ ok: false, changed: true });
  expect(gone.why).not.toBe('');
  copy = await startFakeModel();
});

test('one bad answer is none: the proof is made a second time before it counts', async () => {
  copy.faults = { status: 500 };
  const { result } = guard({ known: 'ok', returnAfterMs: 600 });
  await until('the first failure', () => copy.inferences.length >= 1);
  copy.faults = {};
  await expect(result).resolves.toMatchObject({ ok: true, changed: false });
  expect(copy.inferences.length).toBeGreaterThan(2);
});

test('one slow answer is none either, and a copy that stays silent is a failure after two attempts', async () => {
  copy.faults = { hang: true };
  const slow = guard({ known: 'ok', returnAfterMs: 2_300 });
  await until('the question that is not answered', () => copy.inferences.length === 1);
  copy.faults = {};
  await expect(slow.result).resolves.toMatchObject({ ok: true, changed: false });

  copy.faults = { hang: true };
  const asked = copy.inferences.length;
  const silent = guard({ known: 'ok' });
  const failed = await silent.result;
  expect(failed).toMatchObject({ ok: false, changed: true });
  expect(copy.inferences.length - asked).toBe(2);
  // Both attempts wait for an answer; the heartbeat goes on meanwhile.
  expect(silent.beats.length).toBeGreaterThanOrEqual(4);
}, 15_000);

test('probes that cannot be read prove nothing, and are read again', async () => {
  const read = jest.spyOn(artifacts, 'probes').mockRejectedValueOnce(new Error('the disk is busy'));
  await expect(guard({ known: 'unproven' }).result).resolves.toMatchObject({ ok: true });
  expect(read).toHaveBeenCalledTimes(2);
  read.mockRejectedValue(new Error('the disk is gone'));
  await expect(guard({}).result).resolves.toMatchObject({ ok: false, why: 'the disk is gone' });
});

test.each([
  ['between two proofs', {}],
  ['while a copy does not answer', { hang: true }],
] as const)('a cancellation %s ends it as cancelled, and no proof is made again', async (_when, faults) => {
  copy.faults = faults;
  const { env, result } = guard({ known: 'ok', intervalMs: 10_000 });
  await until('the first proof', () => copy.inferences.length >= ('hang' in faults ? 1 : 2));
  const cancelledAt = performance.now();
  env.cancel();
  await expect(result).rejects.toBeInstanceOf(CancelledFailure);
  expect(performance.now() - cancelledAt).toBeLessThan(3_000);
  // The proof under way is neither ended nor repeated.
  expect(copy.inferences).toHaveLength('hang' in faults ? 1 : 2);
});

describe('a standby that needs a part outside of its process', () => {
  const needing = (has: () => Promise<string | null>) => {
    const info = { version, digest, createdAt: 1, importedAt: 1, engine: 'open-inference', model: service };
    const external = [{ name: 'features', version: '7' }];
    artifacts = new FakeArtifactStore();
    artifacts.put(service, { ...info, evaluation: null, probes: 1, external, bytes: 1 }, [probe('a')]);
    const backend = { address: copy.address, instance: `${service}@${version}#s1`, digest };
    const times = { intervalMs: 30, returnAfterMs: 300 };
    const input: GuardInput = { service, version, model: service, backend, known: 'ok', ...times };
    const engine = openInferenceEngine();
    return new MockActivityEnvironment().run(
      guardStandby({ artifacts, engine: () => engine, external: { version: has } }),
      input,
    ) as Promise<GuardResult>;
  };

  it('loses its proof when the part moves to another version, and is told which', async () => {
    expect(await needing(() => Promise.resolve('8'))).toMatchObject({
      ok: false,
      changed: true,
      why: `features has version 8, ${service}@${version} needs 7`,
    });
  });

  it('keeps its proof while the part has the right version, does not say, or is not configured', async () => {
    expect(await needing(() => Promise.resolve('7'))).toMatchObject({ ok: true, changed: false });
    expect(await needing(() => Promise.reject(new Error('ECONNREFUSED')))).toMatchObject({ ok: true, changed: false });
    expect(await needing(() => Promise.resolve(null))).toMatchObject({ ok: true, changed: false });
  });
});

test('token ids are compared once for each watch, and wrong ones take the proof', async () => {
  const info = { version, digest, createdAt: 1, importedAt: 1, engine: 'open-inference', model: service };
  const one = probe('a');
  const expecting = { ...one, expect: { ...one.expect, tokens: { ids: [1, 2] } } };
  artifacts = new FakeArtifactStore();
  artifacts.put(service, { ...info, evaluation: null, probes: 1, external: [], bytes: 1 }, [expecting]);
  const backend = { address: copy.address, instance: `${service}@${version}#s1`, digest };
  const run = async (ids: readonly number[]) => {
    let asked = 0;
    const engine = { ...openInferenceEngine(), askTokens: () => Promise.resolve({ ids: ((asked += 1), ids) }) };
    const times = { intervalMs: 20, returnAfterMs: 300 };
    const input: GuardInput = { service, version, model: service, backend, known: 'ok', ...times };
    const guarding = guardStandby({ artifacts, engine: () => engine });
    return { result: (await new MockActivityEnvironment().run(guarding, input)) as GuardResult, asked };
  };
  expect(await run([1, 2])).toMatchObject({ result: { ok: true }, asked: 1 });
  expect(await run([1, 3])).toMatchObject({
    result: { ok: false, why: expect.stringContaining('token 2 of 2 is 3, expected 2') as string },
    asked: 2,
  });
});
