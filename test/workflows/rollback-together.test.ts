import { startDevServer, type TestDevServer } from '../support/temporal-servers';
import {
  backendOf,
  brief,
  inputOf,
  operationBundle,
  quietRuntime,
  Rig,
  cold,
  warm,
  Workers,
  World,
  type Fakes,
} from '../support/operation-rig';

jest.setTimeout(60_000);

const together = { withinMs: 2_000 };
const nothing = { validate: null, load: null, probe: null, failed: null };

describe('validate, load and probe in one call', () => {
  let server: TestDevServer;
  let workers: Workers;
  let rig: Rig | undefined;
  let world: World;

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
  });
  afterEach(async () => {
    await rig?.stop();
    rig = undefined;
  });

  async function run(fakes: Fakes, change: Parameters<typeof inputOf>[0] = {}): Promise<string[]> {
    rig = await Rig.start(workers, { ...world.fakes(), ...fakes });
    const reports = await rig.ended(await rig.rollback(inputOf({ together, ...change })));
    expect(reports.map(({ no }) => no)).toEqual(reports.map((_, index) => index + 1));
    return reports.map(brief);
  }

  const toldOnce = [
    'began validate 1.2',
    'succeeded validate 1.2',
    'began load 1.2',
    'succeeded load 1.2',
    'began probe 1.2',
    'succeeded probe 1.2',
  ];
  const moved = ['began shift 1.2', 'shifted 1.2 8', 'succeeded shift 1.2'];

  it('are told and recorded step by step, as if each had been made by itself', async () => {
    const told = await run({});

    expect(told.slice(0, 9)).toEqual([...toldOnce, ...moved]);
    expect(world.calls.slice(0, 3)).toEqual(['prepare 1.2', 'shift 1.2', 'verify 1.2']);
    const steps = world.ledger.filter(({ kind }) => kind === 'step-succeeded').map(({ summary }) => summary);
    expect(steps.slice(0, 3)).toEqual([
      'validate of 1.2 succeeded in 2 ms: every file is what its manifest says',
      expect.stringMatching(/^load of 1\.2 succeeded in 3 ms: mail-triage@1\.2#/),
      'probe of 1.2 succeeded in 4 ms: ready, digest right, 8 golden probes',
    ]);
  });

  it.each(['validate', 'load', 'probe'] as const)(
    'drop a candidate at the step that failed (%s); nothing moves to it and the next one is tried',
    async (step) => {
      const made = await world.fakes().prepareTarget({ version: '1.2', instance: 'x' } as never);
      world.calls.length = 0;
      const failed = { step, why: 'it is broken' };
      const done = {
        ...nothing,
        ...(step !== 'validate' && { validate: made.validate }),
        ...(step === 'probe' && { load: made.load }),
        failed,
      };
      const prepareTarget: Fakes['prepareTarget'] = async (input) =>
        input.version === '1.2' ? world.called('prepare', '1.2', done) : await world.fakes().prepareTarget(input);
      const told = await run({ prepareTarget });

      expect(told).toContain(`dropped 1.2 at ${step}, next 1.1`);
      expect(told).toContain('shifted 1.1 8');
      expect(world.calls.filter((call) => !call.startsWith('stop'))).toEqual([
        'prepare 1.2',
        'prepare 1.1',
        'shift 1.1',
        'verify 1.1',
      ]);
      const failure = world.ledger.find(({ kind }) => kind === 'step-failed');
      expect(failure?.summary).toBe(`${step} of 1.2 failed: it is broken`);
      // What was started of it is stopped; of what was not validated nothing was started.
      expect(world.calls.some((call) => call.startsWith('stop mail-triage@1.2'))).toBe(step !== 'validate');
    },
  );

  it('leave a load that takes long to the step itself, which finds the copy', async () => {
    const prepareTarget: Fakes['prepareTarget'] = async ({ instance }) => {
      world.running.add(instance);
      return world.called('prepare', '1.2', { ...nothing, validate: { ms: 2 } });
    };
    const told = await run({ prepareTarget });

    expect(told.slice(0, 9)).toEqual([...toldOnce, ...moved]);
    expect(world.calls.slice(0, 5)).toEqual(['prepare 1.2', 'load 1.2', 'probe 1.2', 'shift 1.2', 'verify 1.2']);
    const loaded = world.ledger.find(({ summary }) => summary.startsWith('load of'));
    expect(loaded?.summary).toContain('was found running');
  });

  it('are made one by one where the call is lost, and the candidate is not to blame', async () => {
    const prepareTarget: Fakes['prepareTarget'] = () => Promise.reject(new Error('the worker is older'));
    const told = await run({ prepareTarget });

    expect(told.slice(0, 1 + toldOnce.length)).toEqual(['began validate 1.2', ...toldOnce]);
    expect(told).not.toContainEqual(expect.stringContaining('dropped'));
    expect(world.calls.slice(0, 3)).toEqual(['validate 1.2', 'load 1.2', 'probe 1.2']);
  });

  it('are given up at a stop, and the copy that may run is named for the service to retire', async () => {
    let begun: () => void = () => undefined;
    let answer: () => void = () => undefined;
    const began = new Promise<void>((resolve) => (begun = resolve));
    const answered = new Promise<typeof nothing>((resolve) => (answer = () => resolve(nothing)));
    rig = await Rig.start(workers, {
      ...world.fakes(),
      prepareTarget: () => {
        begun();
        return answered;
      },
    });
    const input = inputOf({ together });
    const handle = await rig.rollback(input);
    await began;
    await rig.order(handle, { type: 'stop', why: 'a person took over' });
    const end = (await rig.ended(handle)).at(-1);
    answer();

    expect(end?.what).toMatchObject({ type: 'ended', outcome: 'cancelled' });
    expect(end?.what).toMatchObject({ idle: [{ instance: `mail-triage@1.2#${input.operation}` }] });
    expect(world.calls).toEqual([]);
  });

  it.each([
    ['a copy is warm already', { candidates: [warm('1.2'), cold('1.1')] }],
    ['an operation began before it was given', { together: undefined }],
    ['memory holds one copy', { stopFirst: { expectedMs: 100, maxMs: 1_000 } }],
  ])('are no call of their own where %s', async (_where, change) => {
    world.running.add(backendOf('1.3').instance);
    await run({}, change as never);
    expect(world.calls).not.toContain('prepare 1.2');
    expect(world.calls).toContain('shift 1.2');
  });
});
