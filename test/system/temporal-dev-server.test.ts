import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { readEnvironment } from '../../workers/environment';
import { requireBinary } from '../../workers/temporal/binary';
import { adoptDevServer, startDevServer, type DevServer } from '../../workers/temporal/dev-server';
import { ensureNamespace, type SearchAttribute } from '../../workers/temporal/namespace';
import { readStartTime } from '../../workers/temporal/process-identity';
import { startTimeSkipping } from '../support/temporal-servers';

const environment = readEnvironment();
const searchAttributes: SearchAttribute[] = [
  { name: 'LastgoodService', type: 'Keyword' },
  { name: 'LastgoodBreakerOpen', type: 'Bool' },
  { name: 'LastgoodSince', type: 'Datetime' },
];

jest.setTimeout(120_000);

describe("Temporal's dev server", () => {
  let dir: string;
  let server: DevServer;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lastgood-dev-server-'));
    server = await start();
  });
  afterAll(async () => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  async function start(ports?: { grpc: number; ui: number }): Promise<DevServer> {
    return await startDevServer({
      binary: await requireBinary('dev-server', { environment }),
      environment,
      dbFile: join(dir, 'temporal.db'),
      logFile: join(dir, 'temporal.log'),
      searchAttributes,
      ...(ports === undefined ? {} : { ports }),
    });
  }

  async function connected<T>(use: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await Connection.connect({ address: server.address });
    try {
      return await use(connection);
    } finally {
      await connection.close();
    }
  }

  it('answers with its own namespace, 90 days of retention and every search attribute read back', async () => {
    expect(server.namespaceState).toEqual({
      registered: searchAttributes.map(({ name }) => name),
      missing: [],
      retentionDays: 90,
    });
    const description = await connected((connection) =>
      connection.workflowService.describeNamespace({ namespace: 'lastgood' }),
    );
    expect(Number(description.config?.workflowExecutionRetentionTtl?.seconds)).toBe(90 * 24 * 60 * 60);
  });

  it('serves its web page at the address that it reports', async () => {
    const response = await fetch(server.uiUrl);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('sveltekit');
  });

  it('is found again by its record, with a search attribute that is new since registered', async () => {
    const { address, uiUrl, pid, startTime } = server;
    const more: SearchAttribute[] = [...searchAttributes, { name: 'LastgoodVerdict', type: 'Keyword' }];
    const adopted = await adoptDevServer({ address, uiUrl, pid, startTime }, { searchAttributes: more });
    expect(adopted?.namespaceState.registered).toContain('LastgoodVerdict');
  });

  it('is not adopted when another process has its pid by now', async () => {
    const { address, uiUrl } = server;
    const foreign = { address, uiUrl, pid: process.pid, startTime: 'another' };
    expect(await adoptDevServer(foreign, { searchAttributes })).toBeUndefined();
  });

  it('reports what cannot be registered and registers the rest', async () => {
    const wanted: SearchAttribute[] = [
      { name: 'LastgoodBreakerOpen', type: 'Keyword' },
      ...Array.from({ length: 12 }, (_, i): SearchAttribute => ({ name: `Many${i}`, type: 'Datetime' })),
      { name: 'LastgoodCause', type: 'Keyword' },
    ];
    const state = await connected((connection) =>
      ensureNamespace(connection, { namespace: 'lastgood', retentionDays: 90, searchAttributes: wanted }),
    );
    expect(state.missing.map(({ name }) => name)).toContain('LastgoodBreakerOpen');
    expect(state.missing.find(({ name }) => name === 'LastgoodBreakerOpen')?.reason).toBe(
      'is registered as bool, not as Keyword',
    );
    // The development database has three columns for dates, and one is taken.
    expect(state.registered).toContain('Many0');
    expect(state.missing.map(({ name }) => name)).toContain('Many11');
    expect(state.registered).toContain('LastgoodCause');
    for (const { reason } of state.missing) expect(reason).not.toBe('');
  });

  it('ends without leaving a process, and starts again on its old ports with what it knew', async () => {
    const before = server;
    await before.stop();
    expect(await readStartTime(before.pid)).toBeUndefined();
    await before.stop();
    const port = (url: string): number => Number(url.split(':').at(-1));
    server = await start({ grpc: port(before.address), ui: port(before.uiUrl) });
    expect(server.address).toBe(before.address);
    const known = await connected((connection) =>
      connection.operatorService.listSearchAttributes({ namespace: 'lastgood' }),
    );
    expect(Object.keys(known.customAttributes)).toContain('LastgoodCause');
  });

  it('that cannot start says why, where its log is, and leaves nothing running', async () => {
    const logFile = join(dir, 'refused.log');
    const options = { binary: await requireBinary('dev-server', { environment }), environment, logFile };
    const ports = { grpc: Number(server.address.split(':')[1]), ui: Number(server.uiUrl.split(':').at(-1)) };
    await expect(startDevServer({ ...options, searchAttributes, ports })).rejects.toThrow(
      /did not start: it ended with 1: .*\(log: .*refused\.log\)/s,
    );
    expect(existsSync(logFile)).toBe(true);
  });
});

describe("Temporal's time-skipping test server", () => {
  it('skips a day in less than ten seconds', async () => {
    const env = await startTimeSkipping();
    try {
      const [before, beganMs] = [await env.currentTimeMs(), performance.now()];
      await env.sleep('1 day');
      expect((await env.currentTimeMs()) - before).toBeGreaterThanOrEqual(24 * 60 * 60 * 1000);
      expect(performance.now() - beganMs).toBeLessThan(10_000);
    } finally {
      await env.teardown();
    }
  });
});
