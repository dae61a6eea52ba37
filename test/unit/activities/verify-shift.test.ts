import { verifyShift } from '../../../activities/verify-shift';
import type { ControlActivities } from '../../../workflows/contract/activities';
import { addressOf, digestOf, model, recordOf, service, StepWorld } from './step-world';

type Input = Parameters<ControlActivities['verifyShift']>[0];

describe('verifyShift', () => {
  let world: StepWorld;
  beforeEach(async () => {
    world = await StepWorld.start();
    await world.router.apply(recordOf('1.2', 8));
  });

  const run = async (change: Partial<Input> = {}): ReturnType<ControlActivities['verifyShift']> =>
    await world.env.run(verifyShift(world), {
      service,
      version: '1.2',
      model,
      digest: digestOf('1.2'),
      epoch: 8,
      sinceMs: Date.now() - 100,
      goodAnswers: 20,
      maxMs: 300,
      ...change,
    });

  it('ends early with enough good answers of this version, and counts nobody else', async () => {
    world.telemetry.push(world.row('1.3', 50, 50));
    world.telemetry.push(world.row('1.2', 50, 50, { cohort: 'drill' }));
    world.telemetry.push(world.row('1.2', 30, 2));

    const outcome = await run({ maxMs: 20_000 });

    expect(outcome).toMatchObject({ ok: true, goodAnswers: 28, byProbesOnly: false });
  });

  it('follows the rows that come later', async () => {
    const pending = run({ maxMs: 20_000 });
    world.telemetry.push(world.row('1.2', 12, 0));
    world.telemetry.push(world.row('1.2', 8, 0));

    expect(await pending).toMatchObject({ ok: true, goodAnswers: 20 });
  });

  it('fails early when users clearly get failures', async () => {
    world.telemetry.push(world.row('1.2', 8, 4, { timeouts: 2 }));

    expect(await run({ maxMs: 20_000 })).toEqual({ ok: false, why: 'users get 4 good and 6 failed answers' });
  });

  it('lets the probes decide without traffic, and with one failure of two requests', async () => {
    expect(await run()).toMatchObject({ ok: true, byProbesOnly: true, note: '2 golden probes decide: no traffic' });
    world.telemetry.push(world.row('1.2', 2, 1));
    expect(await run()).toMatchObject({ ok: true, byProbesOnly: true, goodAnswers: 1 });
  });

  it('lets the probes decide and says so when the telemetry is cut', async () => {
    world.telemetry.cut(new Error('connection lost'));

    const outcome = await run({ maxMs: 20_000 });

    expect(outcome).toMatchObject({
      ok: true,
      byProbesOnly: true,
      note: '2 golden probes decide: telemetry: connection lost',
    });
  });

  it('fails when a golden probe is answered wrong through the router', async () => {
    world.fake.put(addressOf('1.2'), '1.2', { label: 'ham' });

    const why = 'through the router: golden probe p1: label is ham, expected spam';
    expect(await run()).toEqual({ ok: false, why });
  });

  it('fails when another version answers, or the router is elsewhere, or fell back', async () => {
    world.fake.put(addressOf('1.2'), '9.9');
    expect(await run()).toEqual({ ok: false, why: 'through the router: answered by 9.9' });
    expect(await run({ epoch: 9 })).toEqual({ ok: false, why: 'the router is at epoch 8, expected 9' });
    const backends = { ...recordOf('1.2', 9).backends, ...recordOf('1.3', 9).backends };
    await world.router.apply(recordOf('1.2', 9, { fallback: '1.3', backends }));
    world.router.beginFallback(service, 'all connections refused');
    expect(await run({ epoch: 9 })).toEqual({ ok: false, why: 'the router fell back to 1.3: all connections refused' });
  });

  it('judges a share by its answers alone', async () => {
    const backends = { ...recordOf('1.2', 9).backends, ...recordOf('1.3', 9).backends };
    const share = { version: '1.2', weight: 0.1, until: Date.now() + 60_000 };
    await world.router.apply(recordOf('1.3', 9, { share, backends }));
    world.telemetry.push(world.row('1.2', 7, 0));

    const outcome = await run({ epoch: 9, goodAnswers: Number.MAX_SAFE_INTEGER });

    expect(outcome).toMatchObject({ ok: true, goodAnswers: 7, byProbesOnly: false });
    expect(world.fake.asked).toEqual([]);
  });
});
