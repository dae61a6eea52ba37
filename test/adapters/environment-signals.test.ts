import { inputSignals, type InputSignalOptions } from '../../adapters/environment/input-signals';
import { joinEnvironment, type JoinedEnvironment } from '../../adapters/environment/joined-environment';
import { userSignals } from '../../adapters/environment/user-signals';
import { reduceInput } from '../../domain/environment/input-fields';
import { profileInputs } from '../../domain/environment/input-profile';
import type { CountsRow, SampledInput } from '../../gateway/protocol';
import { environmentContract } from '../support/contracts/environment';
import { counts } from '../unit/activities/detection-rows';

const minute = 60_000;
const opened: JoinedEnvironment[] = [];
afterEach(() => opened.splice(0).forEach((environment) => environment.close()));

function inputOf(atMs: number, body: unknown): SampledInput {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { atMs, version: '1.2', path: '/infer', contentType: 'application/json', body: text, failed: false };
}

/** A service whose samples and rows a test adds to; its clock is set by hand. */
class World {
  off = false;
  down = false;
  readonly asked: { fromMs: number; toMs: number }[] = [];
  readonly inputs: SampledInput[] = [];
  readonly rows: CountsRow[] = [];

  constructor(public nowMs: number) {}

  readonly samples: InputSignalOptions['samples'] = {
    inputs: async (_service, fromMs, toMs, limit) => {
      if (this.down) throw new Error('the gateway is down');
      this.asked.push({ fromMs, toMs });
      const inputs = this.inputs.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).slice(-limit);
      return { off: this.off, inputs: this.off ? [] : inputs };
    },
  };
  readonly window = async (_service: string, fromMs: number, toMs: number): Promise<CountsRow[]> => {
    if (this.down) throw new Error('the gateway is down');
    return this.rows.filter((row) => row.fromMs >= fromMs && row.fromMs < toMs);
  };

  send(count: number, fromMs: number, everyMs: number, body: (at: number) => unknown = usual): void {
    for (let at = 0; at < count; at += 1) this.inputs.push(inputOf(fromMs + at * everyMs, body(at)));
  }

  traffic(fromMs: number, toMs: number, change: Partial<CountsRow>): void {
    for (let atMs = fromMs; atMs < toMs; atMs += 1_000)
      this.rows.push(counts(this.rows.length + 1, { fromMs: atMs, ...change }));
  }

  open(profileOf: InputSignalOptions['profileOf'] = async () => null): JoinedEnvironment {
    const now = (): number => this.nowMs;
    const common = { services: ['mail'], everyMs: 3_600_000, now };
    const environment = joinEnvironment([
      inputSignals({ ...common, samples: this.samples, profileOf, everyMs: 15_000 }),
      userSignals({ ...common, telemetry: { window: this.window }, everyMs: 15_000 }),
    ]);
    opened.push(environment);
    return environment;
  }
}

const usual = (at: number): unknown => ({ age: 20 + (at % 50), text: `mail number ${String(at).padStart(6, '0')}` });
const wild = (at: number): unknown => ({ age: 'unknown', text: `mail number 1${String(at).padStart(5, '0')}` });

environmentContract('the inputs of a service', async () => {
  const world = new World(Date.now());
  world.send(300, world.nowMs - 600_000, 1_900);
  const environment = world.open();
  await environment.sample();
  return {
    environment,
    change: async () => {
      world.send(80, Date.now() + 1_000, 1_000, (at) => ({ ...(usual(at + 1_000) as object), age: 'unknown' }));
      world.nowMs = Date.now() + 120_000;
      await environment.sample();
      return 'inputs:age';
    },
    blind: async () => ((world.off = true), await environment.sample(), 'inputs (samples are off)'),
    close: () => Promise.resolve(environment.close()),
  };
});

environmentContract('the users of a service', async () => {
  const startMs = Math.ceil(Date.now() / minute) * minute;
  const world = new World(startMs);
  world.off = true;
  world.traffic(startMs - 60 * minute, startMs, {});
  const environment = world.open();
  await environment.sample();
  return {
    environment,
    change: async () => {
      world.traffic(startMs, startMs + 10 * minute, { requests: 80 });
      world.nowMs = startMs + 10 * minute;
      await environment.sample();
      return 'users:rate';
    },
    blind: async () => ((world.down = true), (world.nowMs += 20 * minute), await environment.sample(), 'users'),
    close: () => Promise.resolve(environment.close()),
  };
});

describe('inputs that are read ahead', () => {
  const onsetMs = Date.UTC(2026, 4, 1, 12);
  const onset = { lowMs: onsetMs, highMs: onsetMs + 10_000 };
  const changing = (): World => {
    const world = new World(onsetMs + 90_000);
    world.send(400, onsetMs - 800_000, 2_000);
    world.send(80, onsetMs, 1_000, wild);
    return world;
  };

  it('are ready when users wait: nothing is read at that moment, and the age of what is known is said', async () => {
    const world = changing();
    const environment = world.open();
    await environment.sample();
    const before = world.asked.length;
    const found = await environment.assess('mail', onsetMs - minute, { onset, known: true });
    expect(found.changed).toEqual(['inputs:age']);
    expect(found.facts['inputs:age']).toMatchObject({ readTo: world.nowMs, where: 'what sends the field age' });
    expect(world.asked).toHaveLength(before);
  });

  it('of which too few came since the onset are unmeasured: those before it cannot say that nothing has changed', async () => {
    const world = new World(onsetMs + 5_000);
    world.send(400, onsetMs - 800_000, 2_000);
    world.send(1, onsetMs, 1_000, wild);
    const environment = world.open();
    await environment.sample();
    const found = await environment.assess('mail', onsetMs - minute, { onset, known: true });
    expect(found).toMatchObject({ changed: [], unmeasured: expect.arrayContaining(['inputs']) as string[] });
    expect(found.facts['inputs']).toMatchObject({ words: 'only 1 inputs sampled since the onset, 30 needed' });
  });

  it('are read once each, and the next reading goes on where the last one ended', async () => {
    const world = changing();
    const environment = world.open();
    await environment.sample();
    world.nowMs += 15_000;
    world.send(5, world.nowMs - 5_000, 1_000, (at) => wild(at + 500));
    await environment.sample();
    expect(world.asked.at(-1)).toEqual({ fromMs: onsetMs + 88_000, toMs: onsetMs + 105_000 });
    const { facts } = await environment.assess('mail', onsetMs - minute, { onset, known: true });
    expect(facts['inputs:age']).toMatchObject({ samples: 85 });
  });

  it('of a degradation that began days ago are read from then', async () => {
    const day = 24 * 60 * minute;
    const world = new World(onsetMs + 2 * day);
    world.send(400, onsetMs - 800_000, 2_000);
    world.send(400, onsetMs, 6 * minute, wild);
    const environment = world.open();
    await environment.sample();
    const about = { onset: { lowMs: onsetMs - minute, highMs: onsetMs + 60 * minute } };
    expect((await environment.assess('mail', onsetMs - 5 * minute, about)).changed).toContain('inputs:age');
  });

  it('are compared with the profile of the version that answered, and a broken one leaves the own history', async () => {
    const world = changing();
    const asked: string[] = [];
    const profile = profileInputs(
      Array.from({ length: 300 }, (_, at) => reduceInput(inputOf(0, at % 2 === 0 ? usual(at) : wild(at)))),
    );
    const lenient = world.open(async (_service, version) => (asked.push(version), profile));
    await lenient.sample();
    expect((await lenient.assess('mail', onsetMs - minute, { onset })).changed).not.toContain('inputs:age');
    expect(asked).toEqual(['1.2']);
    const broken = world.open(async () => await Promise.reject(new Error('corrupt')));
    await broken.sample();
    expect((await broken.assess('mail', onsetMs - minute, { onset })).changed).toContain('inputs:age');
  });

  it('that could not be read for a minute are unmeasured, and say why', async () => {
    const world = changing();
    const environment = world.open();
    await environment.sample();
    world.down = true;
    world.nowMs += 30_000;
    await environment.sample();
    expect((await environment.assess('mail', onsetMs - minute, { onset, known: true })).changed).toEqual([
      'inputs:age',
    ]);
    world.nowMs += 60_000;
    await environment.sample();
    const found = await environment.assess('mail', onsetMs - minute, { onset });
    expect(found.unmeasured).toEqual(['inputs', 'users']);
    expect(found.facts['inputs']).toMatchObject({ words: 'the gateway is down' });
  });

  it('never leave what users sent in what is said of them', async () => {
    const world = changing();
    world.send(40, onsetMs + 1, 1_000, (at) => ({ age: 1, text: 'x', secret: `Ada Lovelace ${at}` }));
    world.inputs.sort((left, right) => left.atMs - right.atMs);
    const environment = world.open();
    await environment.sample();
    const said = JSON.stringify(await environment.assess('mail', onsetMs - minute, { onset }));
    expect(said).toContain('inputs:secret');
    expect(said).not.toMatch(/Ada|unknown|mail number/);
  });
});

it('a source that fails is unmeasured by its name, and the others still say what they know', async () => {
  const environment = joinEnvironment([
    {
      name: 'odd',
      everyMs: 60_000,
      quick: false,
      sample: async () => undefined,
      findings: () => {
        throw new Error('bug');
      },
    },
    userSignals({ services: ['mail'], telemetry: { window: async () => [] }, everyMs: 60_000, now: Date.now }),
  ]);
  opened.push(environment);
  const found = await environment.assess('mail', Date.now());
  expect(found.unmeasured).toEqual(['odd', 'users']);
  expect(found.facts['odd']).toMatchObject({ words: 'bug' });
});

describe('users who are read ahead', () => {
  it('are counted once, however often they are read, and drills are no users', async () => {
    const startMs = Date.UTC(2026, 4, 1, 12);
    const world = new World(startMs);
    world.off = true;
    world.traffic(startMs - 60 * minute, startMs + 20 * minute, {});
    world.traffic(startMs, startMs + 20 * minute, { cohort: 'drill', requests: 500 });
    const environment = world.open();
    for (let at = 0; at <= 80; at += 1) {
      world.nowMs = startMs + at * 15_000;
      await environment.sample();
    }
    const { facts, changed } = await environment.assess('mail', startMs, {});
    expect(changed).toEqual([]);
    expect(facts['users:rate']).toMatchObject({ observed: 1_200, before: 1_200 });
  });
});
