import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { AlertMemory } from '../../adapters/alerts/memory';
import { repeatLooks } from '../../adapters/telemetry/repeated-looks';
import { ConfigurationError, type Configuration } from '../../workers/configuration/configuration';
import { pathsOfController, runPaths } from '../../workers/embedded/paths';
import { openLeadership, runWhileLeading, whileLeading } from '../../workers/leadership';
import { ControllerMetrics } from '../../workers/metrics';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

afterAll(removeTemporary);
afterEach(() => jest.useRealTimers());

test('a keeper works while this controller leads, rests while another does, and begins at once when it leads again', async () => {
  jest.useFakeTimers();
  const ending = new AbortController();
  let leads = true;
  let works = 0;
  const kept = whileLeading({ leads: () => leads }, ending.signal, () => {
    works += 1;
    return Promise.resolve(60_000);
  });
  await jest.advanceTimersByTimeAsync(61_000);
  expect(works).toBe(2);
  leads = false;
  await jest.advanceTimersByTimeAsync(600_000);
  expect(works).toBe(2);
  leads = true;
  await jest.advanceTimersByTimeAsync(2_000);
  expect(works).toBe(3);
  ending.abort();
  await kept;
});

/** Like the lease, it knows itself: its method is of no use without it. */
class Lease {
  private readonly held = true;

  leads(): boolean {
    return this.held;
  }
}

test('what is done while leading asks a lease that is an object of a class, as the one in PostgreSQL is', async () => {
  jest.useFakeTimers();
  const ending = new AbortController();
  const done: string[] = [];
  const kept = Promise.all([
    whileLeading(new Lease(), ending.signal, () => Promise.resolve(done.push('work') && 60_000)),
    runWhileLeading(new Lease(), ending.signal, () => Promise.resolve(void done.push('run'))),
  ]);
  await jest.advanceTimersByTimeAsync(1_000);
  ending.abort();
  await kept;
  expect(done).toEqual(['work', 'run']);
});

test('what fails while this controller leads ends its keeper within a second, with its own words', async () => {
  jest.useFakeTimers();
  const ending = new AbortController();
  const kept = runWhileLeading({ leads: () => true }, ending.signal, () => Promise.reject(new Error('no disk')));
  const failed = expect(kept).rejects.toThrow('no disk');
  await jest.advanceTimersByTimeAsync(2_000);
  await failed;
});

test('looks that write what they saw are made by the leader; a look that somebody asks for is made by whoever was asked', async () => {
  jest.useFakeTimers();
  let leads = false;
  let seen = 0;
  const look = {
    service: 'mail',
    everyMs: 1_000,
    look: () => {
      seen += 1;
      return Promise.resolve([]);
    },
  };
  const looks = repeatLooks(
    [look],
    () => undefined,
    () => leads,
  );
  await jest.advanceTimersByTimeAsync(10_000);
  expect(seen).toBe(0);
  looks.now('mail');
  await jest.advanceTimersByTimeAsync(10);
  expect(seen).toBe(1);
  leads = true;
  await jest.advanceTimersByTimeAsync(3_000);
  expect(seen).toBe(4);
  await looks.close();
});

test('an alert that another controller has shown is shown, and one that it forgot is not', async () => {
  const directory = temporaryDirectory('memory');
  const [mine, others] = ['shown-controller.jsonl', 'shown-controller-two.jsonl'].map((name) => join(directory, name));
  mkdirSync(directory, { recursive: true });
  const other = new AlertMemory({ file: others ?? '' });
  const memory = new AlertMemory({ file: mine ?? '', others: () => [others ?? ''] });
  expect(memory.get('slack', 'shown/a')).toBeNull();
  await other.note('slack', 'shown/a', 'shown');
  expect(memory.get('slack', 'shown/a')?.value).toBe('shown');
  appendFileSync(others ?? '', '{"torn\n');
  expect(memory.having('slack', 'shown/')).toHaveLength(1);
  await memory.note('slack', 'thread/i', '1');
  await new Promise((resolve) => setTimeout(resolve, 2));
  await other.note('slack', 'thread/i', '');
  expect(memory.get('slack', 'thread/i')).toBeNull();
});

test('a second controller needs a ledger that several may open', () => {
  const configuration = { file: 'lastgood.yaml', ledger: { postgres: null } } as unknown as Configuration;
  const open = (name: string | null) =>
    openLeadership(configuration, { cacheDir: '', path: '', inherited: {} }, name, pino({ level: 'silent' }));
  expect(open(null).leads()).toBe(true);
  expect(() => open('two')).toThrow(ConfigurationError);
  expect(() => open('two')).toThrow(
    /ledger\.postgres: found nothing, expected a server: a second controller \(--name two\)/,
  );
});

test('two controllers of one data directory have no file in common that only one may write', () => {
  const paths = runPaths('/data');
  const second = pathsOfController(paths, 'two');
  const own = (of: typeof paths): string[] => [
    of.apiSocket,
    of.controllerReport,
    of.alertMemory('controller'),
    of.log('controller'),
  ];
  expect(own(second).filter((file) => own(paths).includes(file))).toEqual([]);
  expect(second.gatewayControl).toEqual(paths.gatewayControl);
});

test('who does not lead any more tells nothing about services, so that no alert fires twice', async () => {
  const metrics = new ControllerMetrics();
  metrics.observeLeads(true);
  metrics.observe('mail', null, Date.now());
  expect(await metrics.text()).toContain('lastgood_decisions_reachable{service="mail"} 0');
  metrics.observeLeads(false);
  const text = await metrics.text();
  expect(text).not.toContain('service="mail"');
  expect(text).toContain('lastgood_controller_leads 0');
});
