import type { LedgerEntry } from '../../domain/ledger';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';
import {
  brief,
  cold,
  inputOf,
  limits,
  operationBundle,
  quietRuntime,
  Rig,
  backendOf,
  warm,
  Workers,
  World,
} from '../support/operation-rig';

jest.setTimeout(60_000);

describe('orders to a rollback', () => {
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

  /** Validation of every candidate fails until `heal` is called. */
  function sick(): { fakes: typeof good; heal: () => void } {
    let healed = false;
    return {
      heal: () => {
        healed = true;
      },
      fakes: {
        ...good,
        validateArtifact: async (input) =>
          healed
            ? await good.validateArtifact(input)
            : world.called('validate', input.version, { ok: false, why: 'a bit flipped' }),
      },
    };
  }

  it('wait for a person with the traffic untouched when no candidate passes, and retry the failed step', async () => {
    const { fakes, heal } = sick();
    rig = await Rig.start(workers, fakes);
    const handle = await rig.rollback(inputOf());
    const waiting = await rig.until('waiting');
    expect(waiting.map(brief).slice(-2)).toEqual(['dropped 1.1 at validate, next none', 'waiting validate on 1.3']);
    expect(world.applied).toEqual([]);

    heal();
    await rig.order(handle, { type: 'retry' });

    const reports = await rig.ended(handle);
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', record: { primary: '1.1', epoch: 8 } });
    expect(world.calls.slice(-5)).toEqual(['validate 1.1', 'load 1.1', 'probe 1.1', 'shift 1.1', 'verify 1.1']);
  });

  it('are asked for again when the service asks and does not know that somebody must answer', async () => {
    const { fakes, heal } = sick();
    rig = await Rig.start(workers, fakes);
    const handle = await rig.rollback(inputOf({ candidates: [cold('1.2')] }));
    const [first] = (await rig.until('waiting')).slice(-1);

    await handle.signal('asked', { knownToWait: true });
    await handle.signal('asked', { knownToWait: false });

    const reports = await rig.until('waiting', 2);
    expect(reports.map(brief)).toEqual([
      'began validate 1.2',
      'dropped 1.2 at validate, next none',
      'waiting validate on 1.3',
      'waiting validate on 1.3',
    ]);
    expect(reports.at(-1)).toMatchObject({ no: (first?.no ?? 0) + 1, what: first?.what });

    heal();
    await rig.order(handle, { type: 'retry' });
    // It goes on, or has ended: there is nothing to answer.
    await handle.signal('asked', { knownToWait: false }).catch(() => undefined);
    const all = await rig.ended(handle);
    expect(all.filter(({ what }) => what.type === 'waiting')).toHaveLength(2);
    expect(all.at(-1)?.what).toMatchObject({ outcome: 'settled' });
  });

  it('take another candidate through all steps', async () => {
    rig = await Rig.start(workers, {
      ...good,
      probeInstance: async (input) =>
        input.version === '1.0' ? await good.probeInstance(input) : { ok: false, why: 'golden probe 1: label is ham' },
    });
    const handle = await rig.rollback(inputOf({ procedure: 'emergency', candidates: [cold('1.2')] }));
    await rig.until('waiting');

    const selector = { by: 'model', public: 'mail', name: 'mail@1.0+abc' } as const;
    const shared = { ...warm('1.0'), warm: { ...backendOf('1.0'), selector, proofAt: 1_000 } };
    await rig.order(handle, { type: 'choose', candidate: shared });

    const reports = await rig.ended(handle);
    expect(world.calls.slice(-5)).toEqual(['load 1.2', 'validate 1.0', 'probe 1.0', 'shift 1.0', 'verify 1.0']);
    const last = reports.at(-1)?.what;
    expect(last).toMatchObject({ outcome: 'settled', record: { primary: '1.0' } });
    // As it is named at its address.
    const record = last?.type === 'ended' ? last.record : null;
    expect(record?.backends['1.0']).toEqual([{ ...backendOf('1.0'), selector }]);
    // The copy that failed its probes was kept for a retry; it is named for the service to retire.
    expect(last?.type === 'ended' && last.idle.map(({ version }) => version)).toEqual(['1.2']);
  });

  it('go back to the left version when verify fails, and a retry probes and shifts again', async () => {
    let healed = false;
    rig = await Rig.start(workers, {
      ...good,
      verifyShift: async (input) =>
        healed
          ? await good.verifyShift(input)
          : world.called('verify', input.version, { ok: false, why: '9 failed answers' }),
    });
    const handle = await rig.rollback(inputOf({ safest: 'previous' }));
    const waiting = await rig.until('waiting');
    expect(waiting.map(brief).slice(-2)).toEqual(['shifted 1.3 9', 'waiting verify on 1.3']);
    expect(world.router.record).toEqual({ ...world.route, epoch: 9 });
    const decided = world.ledger.find(({ kind }) => kind === 'step-began');
    expect(decided?.summary).toBe('moves the traffic back to 1.3: 9 failed answers');

    healed = true;
    await rig.order(handle, { type: 'retry' });

    const reports = await rig.ended(handle);
    expect(world.calls.slice(-3)).toEqual(['probe 1.2', 'shift 1.2', 'verify 1.2']);
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', record: { primary: '1.2', epoch: 10 } });
  });

  it('stay on the target when that is safest, and a person accepts it as it is', async () => {
    rig = await Rig.start(workers, {
      ...good,
      verifyShift: async ({ version }) => world.called('verify', version, { ok: false, why: '9 failed answers' }),
    });
    const input = inputOf({ procedure: 'emergency', candidates: [warm('1.2')], safest: 'target' });
    const handle = await rig.rollback(input);
    expect((await rig.until('waiting')).map(brief).at(-1)).toBe('waiting verify on 1.2');

    await rig.order(handle, { type: 'accept' });

    const reports = await rig.ended(handle);
    expect(reports.at(-1)?.what).toMatchObject({
      outcome: 'settled',
      record: { primary: '1.2', epoch: 8 },
      verified: null,
    });
    expect(world.applied).toHaveLength(1);
  });

  it('end it as failed when a person aborts', async () => {
    rig = await Rig.start(workers, sick().fakes);
    const handle = await rig.rollback(inputOf());
    await rig.until('waiting');

    await rig.order(handle, { type: 'abort' });

    expect((await rig.ended(handle)).at(-1)?.what).toMatchObject({ outcome: 'failed', record: null, idle: [] });
  });

  it('stop it before the shift at once, even inside a long step', async () => {
    let release = (): void => undefined;
    const loading = new Promise<void>((resolve) => (release = resolve));
    rig = await Rig.start(workers, {
      ...good,
      loadTarget: async (input) => {
        world.called('load', input.version, null);
        await loading;
        return await good.loadTarget(input);
      },
    });
    const handle = await rig.rollback(inputOf());
    await rig.until('began', 2);

    await rig.order(handle, { type: 'stop', why: 'the operator cancelled it' });

    const last = (await rig.ended(handle)).at(-1)?.what;
    release();
    expect(last).toMatchObject({ outcome: 'cancelled', why: 'the operator cancelled it', record: null });
    expect(last?.type === 'ended' && last.idle.map(({ version }) => version)).toEqual(['1.2']);
    expect(world.applied).toEqual([]);
  });

  it('that stop it after the shift let verify and settle finish', async () => {
    let release = (): void => undefined;
    const verifying = new Promise<void>((resolve) => (release = resolve));
    rig = await Rig.start(workers, {
      ...good,
      verifyShift: async (input) => {
        await verifying;
        return await good.verifyShift(input);
      },
    });
    const handle = await rig.rollback(inputOf());
    await rig.until('shifted');

    await rig.order(handle, { type: 'stop', why: 'too late' });
    release();

    expect((await rig.ended(handle)).at(-1)?.what).toMatchObject({ outcome: 'settled', record: { primary: '1.2' } });
  });

  it('are not needed when the fence was faster: a refused epoch cancels it', async () => {
    world.router.floor = 40;
    rig = await Rig.start(workers, good);

    const reports = await rig.ended(await rig.rollback(inputOf()));

    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'cancelled', record: null });
    expect(world.applied).toEqual([]);
    expect(world.calls).not.toContain('validate 1.1');
  });

  it.each([
    ['a deploy by a person goes on', 'deploy', 'token', true],
    ['a rollback by a person goes on', 'manual-rollback', 'token', true],
    ['a live version that the machine starts again is held', 'deploy', 'lastgood', false],
    ['a rollback by the machine is held', 'rollback', 'lastgood', false],
  ] as const)('a pause stops the machine: %s', async (_, kind, proof, allowed) => {
    const asked: boolean[] = [];
    rig = await Rig.start(workers, {
      ...good,
      shiftTraffic: async (input) => {
        asked.push(input.allowPaused);
        return await good.shiftTraffic(input);
      },
    });
    const actor = { name: 'somebody', proof, from: 'a test' };

    await rig.ended(await rig.rollback(inputOf({ kind, actor, procedure: 'emergency', candidates: [warm('1.2')] })));

    expect(asked).toEqual([allowed]);
  });

  it('that arrive early wait until they are needed, twice is once, unreadable ones are recorded', async () => {
    const { fakes, heal } = sick();
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    rig = await Rig.start(workers, {
      ...fakes,
      validateArtifact: async (input) => {
        await held;
        return await fakes.validateArtifact(input);
      },
      probeInstance: async (input) => world.called('probe', input.version, { ok: false, why: 'still wrong' }),
    });
    const handle = await rig.rollback(inputOf({ candidates: [cold('1.2')] }));
    await rig.until('began');
    for (const order of [null, 7, 'retry', {}, { type: 'choose' }, { type: 'retry', more: 1 }, [], undefined]) {
      await handle.signal('orderGiven', order);
    }
    await handle.signal('orderGiven', { type: 'choose', candidate: cold('1.1') });
    await handle.signal('orderGiven', { type: 'choose', candidate: cold('1.1') });
    release();
    heal();

    // 1.2 passes validation, fails its probe; the early order then tries 1.1 once, which fails as well.
    await rig.until('waiting', 2);
    expect(world.calls.filter((call) => call === 'validate 1.1')).toHaveLength(1);
    expect(world.ledger.filter(({ kind }: LedgerEntry) => kind === 'refused')).toHaveLength(8);
    await rig.order(handle, { type: 'abort' });
    expect((await rig.ended(handle)).at(-1)?.what).toMatchObject({ outcome: 'failed' });
  });

  it('a cancellation in Temporal is obeyed like a stop', async () => {
    const { fakes } = sick();
    rig = await Rig.start(workers, fakes);
    const handle = await rig.rollback(inputOf());
    await rig.until('waiting');

    await handle.cancel();

    expect((await rig.ended(handle)).at(-1)?.what).toMatchObject({ outcome: 'cancelled' });
  });

  it('it waits for a person when the time for attempts is over, instead of trying the next candidate', async () => {
    rig = await Rig.start(workers, {
      ...good,
      validateArtifact: async ({ version }) => {
        await new Promise((resolve) => setTimeout(resolve, 400));
        return world.called('validate', version, { ok: false, why: 'a bit flipped' });
      },
    });
    const attempts = { maxCandidates: 3, totalMs: 300 };
    const handle = await rig.rollback(inputOf({ limits: { ...limits, attempts } }));

    const reports = await rig.until('waiting');

    expect(reports.map(brief)).not.toContain('began validate 1.1');
    expect(reports.at(-1)?.what).toMatchObject({ type: 'waiting', primary: '1.3' });
    await rig.order(handle, { type: 'abort' });
    await rig.ended(handle);
  });

  it('it waits for a person when its epochs are used up', async () => {
    rig = await Rig.start(workers, {
      ...good,
      verifyShift: async () => ({ ok: false, why: '9 failed answers' }),
    });
    const handle = await rig.rollback(inputOf({ epochs: { from: 8, to: 8 } }));

    const reports = await rig.until('waiting');

    expect(reports.at(-1)?.what).toMatchObject({ type: 'waiting', step: 'verify', primary: '1.2' });
    expect(world.router.record.epoch).toBe(8);
    await rig.order(handle, { type: 'abort' });
    expect((await rig.ended(handle)).at(-1)?.what).toMatchObject({ outcome: 'failed', record: { epoch: 8 } });
  });

  it('it stays on the target when the left version is not ready to take the traffic back', async () => {
    rig = await Rig.start(workers, {
      ...good,
      verifyShift: async () => ({ ok: false, why: '9 failed answers' }),
      shiftTraffic: async (input) =>
        input.record.primary === '1.3' ? { outcome: 'unready', why: 'not ready: 503' } : await good.shiftTraffic(input),
    });
    const handle = await rig.rollback(inputOf());

    const reports = await rig.until('waiting');

    expect(reports.at(-1)?.what).toMatchObject({
      primary: '1.2',
      why: '9 failed answers; the traffic stays on 1.2: the way back to 1.3 failed (not ready: 503)',
    });
    await rig.order(handle, { type: 'stop', why: 'given up' });
    expect((await rig.ended(handle)).at(-1)?.what).toMatchObject({ outcome: 'failed', record: { primary: '1.2' } });
  });

  it('the first deploy of a service needs no route before it', async () => {
    rig = await Rig.start(workers, good);
    world.router.record = { ...world.route, epoch: 0 };

    const input = inputOf({
      kind: 'deploy',
      incident: null,
      procedure: 'gradual',
      route: null,
      candidates: [cold('1.0')],
    });
    const reports = await rig.ended(await rig.rollback(input));

    expect(world.calls).toEqual(['validate 1.0', 'load 1.0', 'probe 1.0', 'shift 1.0', 'verify 1.0']);
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', record: { primary: '1.0', epoch: 8, pins: [] } });
  });
});
