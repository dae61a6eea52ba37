import { prepareTarget } from '../../../activities/prepare-target';
import type { PreparedTarget } from '../../../workflows/contract/activities';
import { digestOf, infoOf, model, service, StepWorld } from './step-world';

describe('validate, load and probe in one call', () => {
  const instance = 'mail@1.2#i-1';
  /** The first copy gets this address from the fake runtime. */
  const first = 'http://127.0.0.1:40000';
  const nothing = { validate: null, load: null, probe: null, failed: null };
  let world: StepWorld;
  beforeEach(async () => {
    world = await StepWorld.start();
  });

  const prepare = async (change: { digest?: string; withinMs?: number } = {}): Promise<PreparedTarget> =>
    await world.env.run(prepareTarget(world), {
      ...{ service, version: '1.2', digest: digestOf('1.2'), instance, model, withinMs: 5_000 },
      ...change,
    });

  it('are made in order, and found when asked again', async () => {
    setTimeout(() => world.fake.put(first, '1.2'), 60);
    const verify = jest.spyOn(world.artifacts, 'verify');

    const made = await prepare();

    const backend = { address: first, instance, digest: digestOf('1.2') };
    expect(made).toMatchObject({ validate: {}, load: { backend, found: false }, probe: { probes: 2 }, failed: null });
    expect(world.runtime.starts[0]?.artifact).toBe('/artifacts/sha256:1.2');
    // The reading that seals what is loaded is the only one.
    expect(verify).not.toHaveBeenCalled();
    expect(await prepare()).toMatchObject({ load: { backend, found: true }, probe: { probes: 2 } });
    expect(world.runtime.starts).toHaveLength(1);
  });

  it('start nothing of an artifact that is damaged, or not the one that was decided on', async () => {
    const problem = { path: 'weights.bin', problem: 'changed', expected: 'sha256:a', found: 'sha256:b' } as const;
    const corrupt = Object.assign(new Error('corrupt'), { name: 'ArtifactCorrupt', problems: [problem] });
    jest.spyOn(world.artifacts, 'materialise').mockRejectedValueOnce(corrupt);

    const damaged = await prepare();
    const other = await prepare({ digest: 'sha256:other' });

    const why = 'weights.bin: changed (expected sha256:a, found sha256:b)';
    expect(damaged).toEqual({ ...nothing, failed: { step: 'validate', why } });
    const holds = `the store holds ${digestOf('1.2')}, the decision names sha256:other`;
    expect(other).toEqual({ ...nothing, failed: { step: 'validate', why: holds } });
    expect(world.runtime.starts).toEqual([]);
    expect(world.fake.asked).toEqual([]);
  });

  it('ask no golden probe of a copy that loaded something else', async () => {
    world.fake.put(first, '1.2', { digest: 'sha256:other' });
    const { validate, load, probe, failed } = await prepare();
    expect(validate).not.toBeNull();
    expect({ load, probe }).toEqual({ load: null, probe: null });
    expect(failed).toEqual({ step: 'load', why: expect.stringContaining('it reports sha256:other') as string });
    expect(world.fake.asked).toEqual([]);
  });

  it('say which golden probe was answered wrongly', async () => {
    world.fake.put(first, '1.2', { label: 'ham' });
    const { load, probe, failed } = await prepare();
    expect(load).not.toBeNull();
    expect(probe).toBeNull();
    expect(failed).toEqual({ step: 'probe', why: 'golden probe p1: label is ham, expected spam' });
  });

  it('leave a copy that needs longer to the step itself: it is not called broken, and stays', async () => {
    expect(await prepare({ withinMs: 150 })).toEqual({ ...nothing, validate: { ms: expect.any(Number) as number } });
    expect(world.runtime.instances.get(instance)?.state.state).toBe('running');
  });

  it.each([
    ['too large to be read in a blink', { bytes: 1024 ** 3 }],
    ['in need of parts that only the controller can ask', { external: [{ name: 'features', version: '3' }] }],
    ['known by its address alone', { observed: { means: 'reported-digest', ownAddress: true } as const }],
  ])('touch nothing of a version that is %s', async (_what, change) => {
    world.artifacts.versions.length = 0;
    world.artifacts.put(service, { ...infoOf('1.2'), ...change });
    const read = jest.spyOn(world.artifacts, 'materialise');
    expect(await prepare()).toEqual(nothing);
    expect(read).not.toHaveBeenCalled();
    expect(world.runtime.starts).toEqual([]);
  });

  it('reject where the host itself is at fault, so that the steps are made by themselves', async () => {
    jest.spyOn(world.runtime, 'start').mockRejectedValueOnce(new Error('no space left'));
    await expect(prepare()).rejects.toThrow('no space left');
  });

  it('end with the worker that is told to stop, and start no copy any more', async () => {
    setTimeout(() => world.env.cancel(), 50);
    await expect(prepare()).rejects.toThrow();
    const looked = world.fake.looks.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(world.fake.looks).toHaveLength(looked);
  });
});
