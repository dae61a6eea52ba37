import type { WorkflowHandle } from '@temporalio/client';
import { until } from '../support/poll';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';
import {
  brief,
  cold,
  inputOf,
  limits,
  operationBundle,
  quietRuntime,
  Rig,
  warm,
  Workers,
  World,
} from '../support/operation-rig';

jest.setTimeout(90_000);

async function shown(handle: WorkflowHandle, words: string): Promise<void> {
  await until(`it shows: ${words}`, async () => {
    const metadata = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
    return metadata.currentDetails?.includes(words) ? true : null;
  });
}

describe('a rollback while other parts are down', () => {
  let server: TestDevServer;
  let workers: Workers;
  let rig: Rig | undefined;
  let world: World;
  let good: ReturnType<World['fakes']>;

  beforeAll(async () => {
    quietRuntime();
    [server] = await Promise.all([startDevServer(), operationBundle()]);
    workers = await Workers.start(server.env);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await server.stop();
  });
  beforeEach(() => {
    world = new World();
    good = world.fakes();
  });
  afterEach(async () => {
    await rig?.stop();
    rig = undefined;
  });

  it('moves the traffic, settles and reports although the ledger is down, and writes every entry in order later', async () => {
    let down = true;
    rig = await Rig.start(workers, {
      ...good,
      recordDecisions: async (entries) => {
        if (down) throw new Error('the disk is full');
        return await good.recordDecisions(entries);
      },
    });
    const input = inputOf({ procedure: 'emergency', candidates: [warm('1.2')] });
    const handle = await rig.rollback(input);

    const reports = await rig.until('ended');
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled' });
    expect(world.ledger).toEqual([]);

    down = false;
    await handle.result();
    expect(world.ledger.map(({ key }) => key)).toEqual(
      [1, 2, 3, 4].map((no) => `rollback/mail-triage/${input.operation}/${no}`),
    );
    expect(world.kinds()[0]).toBe('traffic-shifted');
  });

  it('goes on with another candidate only when that is in the ledger, where the policy says to hold', async () => {
    let down = true;
    rig = await Rig.start(workers, {
      ...good,
      validateArtifact: async (input) =>
        input.version === '1.2' ? { ok: false, why: 'a file has changed' } : await good.validateArtifact(input),
      recordDecisions: async (entries) => {
        if (down) throw new Error('the disk is full');
        return await good.recordDecisions(entries);
      },
    });
    const handle = await rig.rollback(inputOf({ ledger: { waitMs: 100, down: 'hold' } }));
    await rig.until('dropped');
    await shown(handle, 'waits for the ledger');
    expect(world.calls).not.toContain('validate 1.1');

    down = false;

    expect((await rig.ended(handle)).at(-1)?.what).toMatchObject({ outcome: 'settled', record: { primary: '1.1' } });
    expect(world.kinds()).toContain('candidate-dropped');
  });

  it('is stopped while it holds for the ledger', async () => {
    rig = await Rig.start(workers, {
      ...good,
      validateArtifact: async () => ({ ok: false, why: 'a file has changed' }),
      recordDecisions: async (entries) => {
        if (!stopped) throw new Error('the disk is full');
        return await good.recordDecisions(entries);
      },
    });
    let stopped = false;
    const handle = await rig.rollback(inputOf({ ledger: { waitMs: 100, down: 'hold' } }));
    await shown(handle, 'waits for the ledger');

    await rig.order(handle, { type: 'stop', why: 'a person wants it' });

    expect((await rig.until('ended')).at(-1)?.what).toMatchObject({ outcome: 'cancelled' });
    expect(world.calls).not.toContain('validate 1.1');
    stopped = true;
    await handle.result();
  });

  it('leaves out an entry that the ledger refuses for good, and writes those behind it', async () => {
    const { ApplicationFailure } = await import('@temporalio/activity');
    rig = await Rig.start(workers, {
      ...good,
      recordDecisions: async (entries) => {
        if (entries.some(({ summary }) => summary.startsWith('probe'))) {
          throw ApplicationFailure.create({ type: 'LedgerConflict', message: 'other content', nonRetryable: true });
        }
        return await good.recordDecisions(entries);
      },
    });

    const reports = await rig.ended(await rig.rollback(inputOf()));

    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled' });
    expect(world.ledger.map(({ summary }) => summary.split(' ')[0])).toEqual([
      'validate',
      'load',
      'all',
      'shift',
      'verify',
      'settle',
    ]);
  });

  it('calls a router host without a worker unreachable, and waits for a person instead of dropping who is not to blame', async () => {
    rig = await Rig.start(workers, good);
    const steps = { ...limits.steps, shiftMs: 20_000 };
    const handle = await rig.rollback(
      inputOf({
        procedure: 'emergency',
        host: 'nowhere',
        candidates: [warm('1.2'), cold('1.1')],
        limits: { ...limits, steps },
      }),
    );

    const reports = await rig.until('waiting');

    expect(reports.map(brief)).toEqual(['began shift 1.2', 'waiting shift on 1.3']);
    expect(reports.at(-1)?.what).toMatchObject({ why: 'HostUnreachable: no worker took shiftTraffic in time' });
    await rig.order(handle, { type: 'abort' });
    expect((await rig.ended(handle)).at(-1)?.what).toMatchObject({ outcome: 'failed' });
  });

  it('makes a shift again above the lost one when the router was away for longer than the call had', async () => {
    const epochs: number[] = [];
    rig = await Rig.start(workers, {
      ...good,
      shiftTraffic: async (input) => {
        if (epochs.at(-1) !== input.record.epoch) epochs.push(input.record.epoch);
        if (input.record.epoch === 8) throw new Error('no connection');
        return await good.shiftTraffic(input);
      },
    });

    const reports = await rig.ended(
      await rig.rollback(inputOf({ procedure: 'emergency', candidates: [warm('1.2'), cold('1.1')] })),
    );

    expect(reports.map(brief).slice(0, 3)).toEqual(['began shift 1.2', 'shifted 1.2 9', 'succeeded shift 1.2']);
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', record: { primary: '1.2', epoch: 9 } });
    expect(epochs).toEqual([8, 9]);
    expect(world.ledger.find(({ kind }) => kind === 'traffic-shifted')).toMatchObject({
      facts: { epoch: 9, changes: { route: { primary: '1.2', epoch: 9 } } },
    });
  });

  it('makes a stage again above the lost one, for its whole time', async () => {
    rig = await Rig.start(workers, {
      ...good,
      shiftTraffic: async (input) => {
        if (input.record.epoch === 8) throw new Error('no connection');
        return await good.shiftTraffic(input);
      },
    });
    const beganAt = Date.now();

    const reports = await rig.ended(
      await rig.rollback(inputOf({ procedure: 'gradual', candidates: [cold('1.2'), cold('1.1')] })),
    );

    expect(reports.map(({ what }) => what.type)).not.toContain('dropped');
    expect(world.applied.map(({ share, epoch }) => [share?.weight ?? 1, epoch])).toEqual([
      [0.1, 9],
      [0.5, 10],
      [1, 11],
    ]);
    const { shiftMs } = limits.steps;
    expect(world.applied[0]?.share?.until).toBeGreaterThan(beganAt + shiftMs + limits.gradual.stageMs + shiftMs);
  });

  it('gives a candidate up whose shift is lost a second time', async () => {
    const epochs = new Set<number>();
    rig = await Rig.start(workers, {
      ...good,
      shiftTraffic: async (input) => {
        epochs.add(input.record.epoch);
        if (input.record.primary === '1.2') throw new Error('no connection');
        return await good.shiftTraffic(input);
      },
    });
    const steps = { ...limits.steps, shiftMs: 600 };

    const reports = await rig.ended(
      await rig.rollback(
        inputOf({ procedure: 'emergency', candidates: [warm('1.2'), cold('1.1')], limits: { ...limits, steps } }),
      ),
    );

    expect(reports.map(brief)).toContain('dropped 1.2 at shift, next 1.1');
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', record: { primary: '1.1', epoch: 10 } });
    expect([...epochs]).toEqual([8, 9, 10]);
  });

  it('makes no shift again that was stopped while the router was away', async () => {
    const epochs = new Set<number>();
    rig = await Rig.start(workers, {
      ...good,
      shiftTraffic: async (input) => {
        epochs.add(input.record.epoch);
        throw new Error('no connection');
      },
    });
    const handle = await rig.rollback(inputOf({ procedure: 'emergency', candidates: [warm('1.2'), cold('1.1')] }));
    await rig.until('began');

    await rig.order(handle, { type: 'stop', why: 'a person wants it' });

    expect((await rig.ended(handle)).map(brief)).toEqual(['began shift 1.2', 'ended cancelled']);
    expect([...epochs]).toEqual([8]);
  });

  it('waits for a person when nobody is there to judge a stage, and judges it anew at a retry', async () => {
    let away = false;
    rig = await Rig.start(workers, {
      ...good,
      shiftTraffic: async (input) => {
        if (input.record.share && !away) {
          away = true;
          await workers.controlIsAway();
        }
        return await good.shiftTraffic(input);
      },
    });
    const steps = { ...limits.steps, loadMs: 2_000 };
    const handle = await rig.rollback(
      inputOf({ procedure: 'gradual', candidates: [cold('1.2'), cold('1.1')], limits: { ...limits, steps } }),
    );

    const reports = await rig.until('waiting').finally(() => workers.controlIsBack());

    expect(reports.slice(-3).map(brief)).toEqual(['began stages 1.2', 'shifted 1.3 9', 'waiting stages on 1.3']);
    expect(reports.at(-1)?.what).toMatchObject({
      why: 'at 10 %: HostUnreachable: no worker took verifyShift in time',
    });
    await rig.order(handle, { type: 'retry' });
    const all = await rig.ended(handle);
    expect(all.map(({ what }) => what.type)).not.toContain('dropped');
    expect(all.at(-1)?.what).toMatchObject({ outcome: 'settled', record: { primary: '1.2' } });
    expect(world.applied.map(({ share }) => share?.weight ?? 'all')).toEqual([0.1, 'all', 0.1, 0.5, 'all']);
  });

  it('makes a step once more whose worker fell silent', async () => {
    let calls = 0;
    rig = await Rig.start(workers, {
      ...good,
      verifyShift: async (input) => {
        calls += 1;
        // No heartbeat and no answer until it was given up, as from a worker that was killed.
        if (calls === 1) await until('the second call', () => calls > 1, 20_000);
        return await good.verifyShift(input);
      },
    });

    const reports = await rig.ended(await rig.rollback(inputOf({ procedure: 'emergency', candidates: [warm('1.2')] })));

    expect(calls).toBe(2);
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', record: { epoch: 8 } });
  });
});
