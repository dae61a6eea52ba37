import { createServer, type Server } from 'node:http';
import { writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { DependencyHistory, dependencySignal } from '../../adapters/environment/dependency-change';
import { compareHardware, DEFAULT_HOST_RULES } from '../../adapters/environment/hardware-change';
import { openHostEnvironment, type HostEnvironment } from '../../adapters/environment/host-environment';
import { hostSource, type HostReading, type HostSource } from '../../adapters/environment/host-readings';
import type { HardwareReading } from '../../adapters/environment/reading-history';
import { environmentContract } from '../support/contracts/environment';
import { FakeEnvironment } from '../support/fakes/environment';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});
afterAll(removeTemporary);

async function dependency(): Promise<{
  url: string;
  fail: (status: number) => void;
  slow: (ms: number) => void;
  server: Server;
}> {
  let status = 200;
  let delayMs = 0;
  const server = createServer((_request, response) => {
    if (status > 0) setTimeout(() => response.writeHead(status).end('{}'), delayMs);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => (server.closeAllConnections(), server.close()));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/health`,
    fail: (next) => void (status = next),
    slow: (ms) => void (delayMs = ms),
    server,
  };
}

/** A machine whose state a test sets; one reading each 5 s of its own clock. */
class Machine implements HostSource {
  atMs = 1_000_000;
  cpu: number | null = 0.3;
  memory: number | null = 0.6;
  disk: number | null = 0.5;
  read(): Promise<HostReading> {
    this.atMs += 5_000;
    return Promise.resolve({ atMs: this.atMs, cpuBusy: this.cpu, memoryAvailable: this.memory, diskFree: this.disk });
  }
  async pass(environment: HostEnvironment, readings: number): Promise<void> {
    for (let at = 0; at < readings; at++) await environment.sample();
  }
}

function open(machine: Machine, more: Partial<Parameters<typeof openHostEnvironment>[0]> = {}): HostEnvironment {
  const environment = openHostEnvironment({
    dependencies: {},
    diskPath: '/',
    sampleMs: 1_000_000,
    source: machine,
    now: () => machine.atMs,
    ...more,
  });
  closers.push(() => environment.close());
  return environment;
}

environmentContract('the fake environment', () => {
  const environment = new FakeEnvironment();
  environment.tell('mail', {});
  return Promise.resolve({
    environment,
    change: () => Promise.resolve((environment.tell('mail', { changed: ['cpu'] }), 'cpu')),
    blind: () => Promise.resolve((environment.tell('mail', { unmeasured: ['disk'] }), 'disk')),
    close: () => Promise.resolve(),
  });
});

environmentContract('the environment of a host', async () => {
  const features = await dependency();
  const environment = openHostEnvironment({
    dependencies: {
      mail: [
        { name: 'features', url: features.url },
        { name: 'never-there', url: 'http://127.0.0.1:9/' },
      ],
    },
    diskPath: '/',
    sampleMs: 3_600_000,
  });
  await environment.sample();
  return {
    environment,
    change: () => Promise.resolve((features.fail(503), 'dependency:features')),
    blind: () => Promise.resolve('dependency:never-there'),
    close: () => Promise.resolve(environment.close()),
  };
});

describe('a dependency', () => {
  it('that hangs has changed within its time limit', async () => {
    const features = await dependency();
    const environment = open(new Machine(), {
      dependencies: { mail: [{ name: 'features', url: features.url, timeoutMs: 150 }] },
    });
    await environment.sample();
    features.fail(0);
    const found = await environment.assess('mail', 0);
    expect(found.changed).toEqual(['dependency:features']);
    expect(found.facts['dependency:features']).toMatchObject({ last: 'no answer within 150 ms' });
  });

  it('that failed long before the onset is not what changed', async () => {
    const machine = new Machine();
    const features = await dependency();
    const environment = open(machine, {
      sampleMs: 5_000,
      dependencies: { mail: [{ name: 'features', url: features.url }] },
    });
    await environment.sample();
    features.fail(500);
    await machine.pass(environment, 20);
    expect((await environment.assess('mail', machine.atMs)).changed).toEqual([]);
    expect((await environment.assess('mail', machine.atMs - 200_000)).changed).toEqual(['dependency:features']);
  });

  it('that answers slower than its own history by the limit has changed, with both times and since when', async () => {
    const machine = new Machine();
    const features = await dependency();
    const environment = open(machine, {
      sampleMs: 5_000,
      dependencies: { mail: [{ name: 'features', url: features.url }] },
    });
    await machine.pass(environment, 15);
    const onset = { lowMs: machine.atMs + 1, highMs: machine.atMs + 5_000 };
    features.slow(160);
    await machine.pass(environment, 3);
    const found = await environment.assess('mail', onset.lowMs - 1_000, { onset });
    expect(found.changed).toEqual(['dependency:features']);
    const { words, observed, limit } = found.facts['dependency:features'] as {
      words: string;
      observed: number;
      limit: number;
    };
    expect(words).toMatch(/^answers in \d+ ms \(limit [\d.]+ ms, [\d.]+ ms before\), since \d\d:\d\d:\d\d UTC$/);
    expect(observed).toBeGreaterThanOrEqual(155);
    expect(limit).toBeLessThan(observed);
  });

  it('that was always slow has not changed', async () => {
    const machine = new Machine();
    const features = await dependency();
    features.slow(60);
    const environment = open(machine, {
      sampleMs: 5_000,
      dependencies: { mail: [{ name: 'features', url: features.url }] },
    });
    await machine.pass(environment, 16);
    expect((await environment.assess('mail', machine.atMs - 20_000)).changed).toEqual([]);
  });

  it('whose answer is overdue while users wait is unmeasured; one that is usually slow is not', () => {
    const seen = (usualMs: number): string => {
      const history = new DependencyHistory();
      for (let at = 0; at < 20; at += 1) history.note({ atMs: at * 5_000, ok: true, ms: usualMs, why: 'answered 200' });
      history.pendingSince = 100_000;
      return dependencySignal('features', history, { sinceMs: 90_000, slackMs: 10_000, nowMs: 100_080 }).state;
    };
    expect([seen(4), seen(70)]).toEqual(['unmeasured', 'same']);
  });

  it('that hangs holds nobody up while users wait, and is never called changed before its time limit', async () => {
    const features = await dependency();
    const environment = open(new Machine(), {
      dependencies: { mail: [{ name: 'features', url: features.url }] },
      now: Date.now,
    });
    for (let checks = 0; checks < 5; checks += 1) await environment.sample();
    features.fail(0);
    const began = performance.now();
    const asking = environment.assess('mail', Date.now() - 1_000, { known: true });
    const found = await asking;
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(found.changed).toEqual([]);
  });

  it('that refuses is seen while users wait: it is asked once more', async () => {
    const features = await dependency();
    const environment = open(new Machine(), {
      dependencies: { mail: [{ name: 'features', url: features.url }] },
    });
    await environment.sample();
    features.fail(503);
    expect((await environment.assess('mail', 0, { known: true })).changed).toEqual(['dependency:features']);
  });

  it('of one service says nothing about another', async () => {
    const features = await dependency();
    const environment = open(new Machine(), { dependencies: { mail: [{ name: 'features', url: features.url }] } });
    await environment.sample();
    features.fail(500);
    expect((await environment.assess('other', 0)).changed).toEqual([]);
  });
});

describe('a machine', () => {
  it.each<[string, Partial<Machine>, string[]]>([
    ['becomes fully busy', { cpu: 0.99 }, ['cpu']],
    ['runs out of memory', { memory: 0.03 }, ['memory']],
    ['runs out of disk', { disk: 0.01 }, ['disk']],
    ['becomes busier, with room left', { cpu: 0.8 }, []],
    ['uses more memory, with room left', { memory: 0.2 }, []],
  ])('that %s has changed where it hurts', async (_, change, names) => {
    const machine = new Machine();
    const environment = open(machine);
    await machine.pass(environment, 20);
    const onset = machine.atMs + 1;
    Object.assign(machine, change);
    await machine.pass(environment, 5);
    expect(await environment.assess('mail', onset)).toMatchObject({ changed: names, unmeasured: [] });
  });

  it('that became fully busy some seconds ago has changed, although the look goes a minute back', async () => {
    const machine = new Machine();
    const environment = open(machine);
    await machine.pass(environment, 40);
    const onset = { lowMs: machine.atMs, highMs: machine.atMs + 2_000 };
    machine.cpu = 0.99;
    await machine.pass(environment, 2);
    const found = await environment.assess('mail', onset.lowMs - 60_000, { onset });
    expect(found.changed).toEqual(['cpu']);
    expect(found.facts['cpu']).toMatchObject({ where: 'cpu of this host', limit: 0.95 });
    expect((found.facts['cpu'] as { words: string }).words).toMatch(
      /^99 % busy \(limit 95 %, 30 % before\), since \d\d:\d\d:\d\d UTC$/,
    );
  });

  it('that became busy after the degradation began is not its cause', async () => {
    const machine = new Machine();
    const environment = open(machine);
    await machine.pass(environment, 40);
    const onset = { lowMs: machine.atMs - 10_000, highMs: machine.atMs };
    await machine.pass(environment, 24);
    machine.cpu = 0.99;
    await machine.pass(environment, 10);
    const found = await environment.assess('mail', onset.lowMs - 60_000, { onset });
    expect(found.changed).toEqual([]);
    expect((found.facts['cpu'] as { words: string }).words).toContain('after the degradation began');
  });

  it('that became busy two days ago has changed for a degradation that began then', async () => {
    const machine = new Machine();
    const environment = open(machine, { historyMs: 60_000 });
    await machine.pass(environment, 2_000);
    const onset = { lowMs: machine.atMs, highMs: machine.atMs + 3_600_000 };
    machine.cpu = 0.99;
    await machine.pass(environment, 30_000);
    expect((await environment.assess('mail', onset.lowMs - 300_000, { onset })).changed).toEqual(['cpu']);
  });

  it('that could not be read lately is unmeasured, whatever it said last', async () => {
    const machine = new Machine();
    const environment = open(machine, { sampleMs: 5_000 });
    await machine.pass(environment, 30);
    machine.read = () => Promise.reject(new Error('no /proc'));
    machine.atMs += 60_000;
    const found = await environment.assess('mail', machine.atMs - 120_000, { known: true });
    expect(found).toMatchObject({ changed: [], unmeasured: ['cpu', 'memory', 'disk'] });
    expect(found.facts['cpu']).toMatchObject({ words: 'no /proc', ageMs: 60_000 });
  });

  it('that was always fully busy has not changed', async () => {
    const machine = new Machine();
    machine.cpu = 0.99;
    const environment = open(machine);
    await machine.pass(environment, 30);
    expect((await environment.assess('mail', machine.atMs - 40_000)).changed).toEqual([]);
  });

  it('that is within its limits has not changed, however short its history; where it cannot be read it is unmeasured', async () => {
    const machine = new Machine();
    const environment = open(machine);
    await machine.pass(environment, 8);
    const found = await environment.assess('mail', machine.atMs - 120_000);
    expect(found).toMatchObject({ changed: [], unmeasured: [], facts: { cpu: { readings: { before: 0 } } } });
    machine.disk = null;
    await machine.pass(environment, 20);
    expect((await environment.assess('mail', machine.atMs - 20_000)).unmeasured).toEqual(['disk']);
  });

  it('of which there are two readings is unmeasured', async () => {
    const machine = new Machine();
    const environment = open(machine);
    await machine.pass(environment, 1);
    const found = await environment.assess('mail', machine.atMs - 120_000);
    expect(found).toMatchObject({ changed: [], unmeasured: ['cpu', 'memory', 'disk'] });
  });

  it.each<[string, Partial<Machine>, string]>([
    ['fully busy', { cpu: 0.99 }, 'cpu'],
    ['short of memory', { memory: 0.03 }, 'memory'],
    ['short of disk', { disk: 0.01 }, 'disk'],
  ])('that is %s while its history is short is unmeasured, also when that began just now', async (_, change, name) => {
    const always = Object.assign(new Machine(), change);
    const busy = open(always);
    await always.pass(busy, 10);
    expect(await busy.assess('mail', 0)).toMatchObject({ changed: [], unmeasured: [name] });

    const lately = new Machine();
    const environment = open(lately);
    await lately.pass(environment, 10);
    Object.assign(lately, change);
    await lately.pass(environment, 2);
    expect(await environment.assess('mail', 0)).toMatchObject({ changed: [], unmeasured: [name] });
  });

  it('is remembered reading by reading for its history only, before that by medians of five minutes', async () => {
    const machine = new Machine();
    const environment = open(machine, { historyMs: 60_000 });
    await machine.pass(environment, 200);
    const { facts } = await environment.assess('mail', machine.atMs - 30_000);
    const { readings } = facts['cpu'] as { readings: { recent: number; before: number } };
    expect(readings.recent + readings.before).toBeLessThanOrEqual(13 + Math.ceil((200 * 5_000) / 300_000));
  });

  it('never changes by one reading alone, whatever it says (seeded property)', () => {
    const reading = (atMs: number, cpu: number): HardwareReading => ({
      atMs,
      values: { cpu, memory: 0.6, disk: 0.5 },
    });
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 0, max: 4 }), (spike, at) => {
        const before = Array.from({ length: 20 }, (_, index) => reading(index, 0.3));
        const recent = Array.from({ length: 5 }, (_, index) => reading(100 + index, index === at ? spike : 0.3));
        const found = compareHardware('', [...before, ...recent], { sinceMs: 100 }, DEFAULT_HOST_RULES);
        return found.every(({ state }) => state === 'same');
      }),
      { seed: 7 },
    );
  });
});

describe('the readings of a Linux host', () => {
  it('come from /proc and the file system, as shares', async () => {
    const source = hostSource({ diskPath: '/' });
    await source.read();
    const end = performance.now() + 150;
    while (performance.now() < end) Math.sqrt(end);
    const reading = await source.read();
    for (const share of [reading.cpuBusy, reading.memoryAvailable, reading.diskFree]) {
      expect(share).toBeGreaterThan(0);
      expect(share).toBeLessThanOrEqual(1);
    }
  });

  it('count the time of all processors that was neither idle nor waiting for a disk', async () => {
    const procRoot = temporaryDirectory('proc');
    mkdirSync(procRoot, { recursive: true });
    const write = (idle: number, busy: number): void =>
      writeFileSync(join(procRoot, 'stat'), `cpu  ${busy} 0 0 ${idle} 0 0 0 0 0 0\ncpu0 1 1 1 1\n`);
    writeFileSync(join(procRoot, 'meminfo'), 'MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    250 kB\n');
    const source = hostSource({ diskPath: '/nonexistent', procRoot });
    write(100, 100);
    expect(await source.read()).toMatchObject({ cpuBusy: null, memoryAvailable: 0.25, diskFree: null });
    write(130, 170);
    expect((await source.read()).cpuBusy).toBeCloseTo(0.7);
  });
});
