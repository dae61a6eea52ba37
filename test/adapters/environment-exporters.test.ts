import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { exporterReader, rulesOf, type Exporter } from '../../adapters/environment/exporters/exporter-reader';
import { parseExposition } from '../../adapters/environment/exporters/exposition';
import { prometheusReader, queriesOf } from '../../adapters/environment/exporters/prometheus-reader';
import { hardwareSignals } from '../../adapters/environment/hardware-signals';
import { joinEnvironment, type JoinedEnvironment } from '../../adapters/environment/joined-environment';
import type { Prometheus } from '../../adapters/telemetry/prometheus';
import { environmentContract } from '../support/contracts/environment';
import { dcgmExporterText, nodeExporterText, type GpuState, type NodeState } from '../support/exporter-texts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** An exporter whose text a test sets; `status` 0 hangs. */
async function exporterOf(first: string): Promise<{ url: string; say: (text: string, status?: number) => void }> {
  let [text, status] = [first, 200];
  const server = createServer((_request, response) => {
    if (status > 0) response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4' }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => (server.closeAllConnections(), server.close()));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return { url: `http://127.0.0.1:${port}/metrics`, say: (next, code = 200) => void ([text, status] = [next, code]) };
}

const usual: NodeState = { busySeconds: 100, idleSeconds: 900, availableBytes: 4e10, diskFreeBytes: 2e11 };
const calm: GpuState = { busyPercent: 40, usedMiB: 9_000, xid: 0, throttleReasons: 0 };

/** A machine seen by its exporter, with a clock of its own: 5 s a reading. */
async function watched(
  kind: Exporter['kind'],
  first: string,
  more: Partial<Exporter> = {},
): Promise<{
  environment: JoinedEnvironment;
  say: (text: string, status?: number) => void;
  pass: (readings: number, text?: (at: number) => string) => Promise<void>;
  nowMs: () => number;
}> {
  const { url, say } = await exporterOf(first);
  let nowMs = Date.UTC(2026, 4, 1, 12);
  const exporter: Exporter = { kind, url, mountpoint: '/', gpus: null, ...more };
  const environment = joinEnvironment([
    hardwareSignals({
      machine: 'gpu-1',
      reader: exporterReader(exporter, () => nowMs, { timeoutMs: 500, limitBytes: 100_000 }),
      rules: rulesOf(kind),
      everyMs: 5_000,
      quick: false,
      services: new Set(['mail']),
      now: () => nowMs,
    }),
  ]);
  closers.push(() => environment.close());
  const pass = async (readings: number, text?: (at: number) => string): Promise<void> => {
    for (let at = 0; at < readings; at += 1) {
      nowMs += 5_000;
      if (text) say(text(at));
      await environment.sample().catch(() => undefined);
    }
  };
  return { environment, say, pass, nowMs: () => nowMs };
}

environmentContract('a machine behind node_exporter', async () => {
  const { environment, pass, say } = await watched('node', nodeExporterText(usual));
  await pass(20);
  return {
    environment: { assess: (service, _onset, about) => environment.assess(service, start + 100_000, about) },
    change: async () => (await pass(6, () => nodeExporterText({ ...usual, availableBytes: 2e9 })), 'gpu-1:memory'),
    blind: async () => (say('', 503), await pass(20), 'gpu-1:memory'),
    close: () => Promise.resolve(environment.close()),
  };
});

const start = Date.UTC(2026, 4, 1, 12);
const since = start + 100_000;

describe('node_exporter', () => {
  it('is read as shares: busy since the reading before, available, free at the mount point', async () => {
    const { environment, pass } = await watched('node', nodeExporterText(usual));
    await pass(20, (at) => nodeExporterText({ ...usual, busySeconds: 100 + at * 2, idleSeconds: 900 + at * 3 }));
    const { facts, unmeasured } = await environment.assess('mail', start + 50_000);
    expect(unmeasured).toEqual([]);
    expect(facts['gpu-1:cpu']).toMatchObject({ state: 'same', observed: 0.4, limit: 0.95 });
    expect(facts['gpu-1:memory']).toMatchObject({ observed: 0.5931 });
    expect(facts['gpu-1:disk']).toMatchObject({ observed: 0.4 });
  });

  it('whose processors become fully busy has changed, with value, limit and since when', async () => {
    const { environment, pass } = await watched('node', nodeExporterText(usual));
    await pass(20, (at) => nodeExporterText({ ...usual, busySeconds: 100 + at, idleSeconds: 900 + at * 4 }));
    await pass(5, (at) => nodeExporterText({ ...usual, busySeconds: 120 + at * 5, idleSeconds: 980 }));
    const found = await environment.assess('mail', since);
    expect(found.changed).toEqual(['gpu-1:cpu']);
    expect(found.facts['gpu-1:cpu']).toMatchObject({
      words: expect.stringMatching(/^100 % busy \(limit 95 %, 20 % before\), since 12:0\d:\d\d UTC$/) as string,
      where: 'cpu of gpu-1',
    });
  });

  it('of a machine that started again begins its counters anew, which is no measurement', async () => {
    const { environment, pass } = await watched('node', nodeExporterText(usual));
    await pass(20, (at) => nodeExporterText({ ...usual, busySeconds: 100 + at, idleSeconds: 900 + at * 4 }));
    await pass(1, () => nodeExporterText({ ...usual, busySeconds: 3, idleSeconds: 10 }));
    const { facts } = await environment.assess('mail', since);
    expect(facts['gpu-1:cpu']).not.toMatchObject({ state: 'changed' });
  });

  it('says nothing of a service that does not run there', async () => {
    const { environment, pass } = await watched('node', nodeExporterText(usual));
    await pass(20);
    expect((await environment.assess('other', since)).facts).toEqual({});
  });

  it.each<[string, string, number, RegExp]>([
    ['another page', '<html>it works</html>', 200, /expected an exporter's text format/],
    ['an error', '', 500, /answered 500/],
    ['no end', `a 1\n${'x'.repeat(200_000)}`, 200, /longer than 100000 bytes/],
    ['another exporter', 'mysql_up 1\n', 200, /nothing that a node exporter would/],
    ['nothing in time', '', 0, /no whole answer within 500 ms/],
  ])('that answers with %s is unmeasured, and says why', async (_, text, status, why) => {
    const { environment, pass, say } = await watched('node', nodeExporterText(usual));
    await pass(13);
    say(text, status);
    await pass(5);
    const { changed, unmeasured, facts } = await environment.assess('mail', since, { known: true });
    expect({ changed, unmeasured }).toEqual({ changed: [], unmeasured: ['gpu-1:cpu', 'gpu-1:memory', 'gpu-1:disk'] });
    expect((facts['gpu-1:cpu'] as { words: string }).words).toMatch(why);
  });
});

describe('dcgm-exporter', () => {
  const seen = async (
    after: (at: number) => GpuState[],
    more: Partial<Exporter> = {},
  ): Promise<Awaited<ReturnType<JoinedEnvironment['assess']>>> => {
    const { environment, pass } = await watched('dcgm', dcgmExporterText([calm, calm]), more);
    await pass(20);
    await pass(5, (at) => dcgmExporterText(after(at)));
    return await environment.assess('mail', since);
  };

  it.each<[string, GpuState[], string[]]>([
    ['is as before', [calm, calm], []],
    ['is fully busy', [calm, { ...calm, busyPercent: 100 }], ['gpu-1:gpu-busy']],
    ['has its memory full', [{ ...calm, usedMiB: 22_900 }, calm], ['gpu-1:gpu-memory']],
    ['had an uncorrectable memory error', [calm, { ...calm, xid: 48 }], ['gpu-1:gpu-xid']],
    ['is slowed by heat', [{ ...calm, throttleReasons: 0x40 }, calm], ['gpu-1:gpu-throttled']],
    ['is idle, which lowers its clock as well', [{ ...calm, throttleReasons: 0x1 }, calm], []],
    ['is gone', [calm], ['gpu-1:gpu-missing']],
    ['had a fault that a program causes: no excuse for a model', [calm, { ...calm, xid: 31 }], []],
  ])('of a machine of which one GPU %s', async (_, gpus, changed) => {
    expect((await seen(() => gpus)).changed).toEqual(changed);
  });

  it('counts only the GPUs that a service uses', async () => {
    expect((await seen(() => [calm, { ...calm, busyPercent: 100 }], { gpus: ['0'] })).changed).toEqual([]);
  });

  it('says nothing of what is not exported, neither good nor bad', async () => {
    const quiet = { ...calm, throttleReasons: null };
    const { environment, pass } = await watched('dcgm', dcgmExporterText([quiet]));
    await pass(20);
    const { unmeasured, facts } = await environment.assess('mail', start + 50_000);
    expect(unmeasured).toEqual([]);
    expect(Object.keys(facts)).not.toContain('gpu-1:gpu-throttled');
  });
});

describe('the text format', () => {
  it('is read with escapes, exponents, times, NaN and infinities; what is no line of it is passed over', () => {
    const text = [
      '# HELP a b',
      'a{x="1",y="with \\"quotes\\", \\\\ and } brace"} 1.5e+03 1700000000000',
      'a NaN',
      'a +Inf',
      'not a line',
      'b{} 2',
    ].join('\n');
    expect(parseExposition(text, new Set(['a']))).toEqual([
      { name: 'a', labels: { x: '1', y: 'with "quotes", \\ and } brace' }, value: 1_500 },
      { name: 'a', labels: {}, value: NaN },
      { name: 'a', labels: {}, value: Infinity },
    ]);
  });

  it('has an end to its series', () => {
    const text = Array.from({ length: 20_001 }, (_, at) => `a{i="${at}"} 1`).join('\n');
    expect(() => parseExposition(text, new Set(['a']))).toThrow(/more than 20000 series/);
  });
});

describe('a machine whose exporter Prometheus scrapes', () => {
  const scraped = {
    kind: 'node',
    prometheus: 'http://p',
    instance: 'gpu-1:9100',
    mountpoint: '/',
    gpus: null,
  } as const;

  it('is asked by instance, quoted, with one number for each metric', () => {
    const queries = queriesOf({ ...scraped, instance: 'a"b\\c' });
    expect(Object.keys(queries)).toEqual(['cpu', 'memory', 'disk']);
    expect(queries['memory']).toContain('instance="a\\"b\\\\c"');
    expect(Object.keys(queriesOf({ ...scraped, kind: 'dcgm', gpus: ['0', '1'] }))).toContain('gpu-xid');
    expect(queriesOf({ ...scraped, kind: 'dcgm', gpus: ['0', '1'] })['gpu-busy']).toContain('gpu=~"0|1"');
  });

  it('has the hour before from the server, so that a change is known at once after a start', async () => {
    let memory = 0.6;
    const nowMs = start;
    const server: Prometheus = {
      range: async ({ query }, fromMs, toMs, everyMs) =>
        query.includes('memory')
          ? Array.from({ length: Math.floor((toMs - fromMs) / everyMs) }, (_, at) => ({
              atMs: fromMs + at * everyMs,
              value: at > 110 ? 0.02 : 0.6,
              n: null,
            }))
          : [],
      now: async ({ query }) => (query.includes('memory') ? { atMs: nowMs, value: memory, n: null } : null),
    };
    memory = 0.02;
    const environment = joinEnvironment([
      hardwareSignals({
        machine: 'gpu-1',
        reader: prometheusReader(scraped, server, () => nowMs),
        rules: rulesOf('node'),
        everyMs: 5_000,
        quick: false,
        services: null,
        now: () => nowMs,
      }),
    ]);
    closers.push(() => environment.close());
    await environment.sample();
    const found = await environment.assess('mail', nowMs - 300_000, { known: true });
    expect(found.changed).toEqual(['gpu-1:memory']);
    expect(found.unmeasured).toEqual(['gpu-1:cpu', 'gpu-1:disk']);
  });

  it('that the server does not know is unmeasured and says which instance', async () => {
    const server: Prometheus = { range: async () => [], now: async () => null };
    const reader = prometheusReader(scraped, server, () => start);
    await expect(reader.read()).rejects.toThrow('no values of a node exporter at instance gpu-1:9100');
  });
});

const program = ['prometheus-node-exporter', 'node_exporter'].find(
  (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0,
);
process.stdout.write('dcgm-exporter: not run here (needs an NVIDIA GPU); its text is written by hand\n');
if (program === undefined)
  process.stdout.write(
    'node_exporter is not installed: not tested against the real one (Debian: prometheus-node-exporter)\n',
  );

(program === undefined ? describe.skip : describe)('the real node_exporter of this machine', () => {
  it('tells processor, memory and disk as /proc does', async () => {
    const port = 19_000 + (process.pid % 900);
    const child = spawn(program ?? '', [`--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' });
    closers.push(() => child.kill());
    const exporter: Exporter = { kind: 'node', url: `http://127.0.0.1:${port}/metrics`, mountpoint: '/', gpus: null };
    const reader = exporterReader(exporter, Date.now);
    const first = async (left: number): Promise<void> => {
      try {
        await reader.read();
      } catch (fault) {
        if (left === 0) throw fault;
        await new Promise((resolve) => setTimeout(resolve, 200));
        await first(left - 1);
      }
    };
    await first(50);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { values } = await reader.read();
    for (const metric of ['cpu', 'memory', 'disk']) {
      expect(values[metric]).toBeGreaterThanOrEqual(0);
      expect(values[metric]).toBeLessThanOrEqual(1);
    }
    expect(values['memory']).toBeGreaterThan(0.01);
  }, 30_000);
});
