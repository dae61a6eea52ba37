import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Health, LedgerPage } from '../../api/types';
import { main } from '../../cli/main';
import { pathsOfController, runPaths } from '../../workers/embedded/paths';
import { searchAttributeList } from '../../workers/embedded/temporal-part';
import { distDirectory, packageDirectory } from '../../workers/program';
import { serviceWorkflowId } from '../../workflows/contract/ids';
import { FakeVllm } from '../support/fake-vllm';
import { freePort } from '../support/haproxy-process';
import { until } from '../support/poll';
import { describePostgres, PostgresServer } from '../support/postgres-server';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

// The processes of docker-compose.yml that are ours, with its commands, its environment and its configuration, on a real
// Temporal and a real PostgreSQL.
jest.setTimeout(180_000);

interface ComposeService {
  readonly entrypoint?: readonly string[];
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

const root = packageDirectory();
const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8')) as {
  services: Record<string, ComposeService>;
};
/** As the image has it, for services without one of their own. */
const imageEntrypoint = JSON.parse(
  /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync(join(root, 'Dockerfile'), 'utf8'))?.[1] ?? '[]',
) as string[];

describePostgres('two controllers')('two controllers, as docker-compose.yml starts them', () => {
  let postgres: PostgresServer;
  let temporal: TestDevServer;
  let model: FakeVllm;
  let directory: string;
  let file: string;
  let secondListens: string;
  const started: ChildProcess[] = [];
  const lost: string[] = [];
  let users: { end(): Promise<number> };

  beforeAll(async () => {
    directory = temporaryDirectory('two-controllers');
    [postgres, temporal, model] = await Promise.all([
      PostgresServer.start(),
      startDevServer({ searchAttributes: searchAttributeList }),
      FakeVllm.start({ names: ['chat'] }),
    ]);
    await postgres.sql('create role lastgood login');
    await postgres.sql('create database lastgood owner lastgood');
    secondListens = `127.0.0.1:${await freePort()}`;
    file = join(directory, 'lastgood.yaml');
    writeFileSync(join(directory, 'postgres.password'), 'nobody asks for it here\n');
    const changes: readonly (readonly [string, string])[] = [
      ['/var/lib/lastgood', join(directory, 'data')],
      ['port: 5433', `port: ${postgres.port}`],
      ['/run/secrets/postgres', join(directory, 'postgres.password')],
      ['127.0.0.1:8000', '127.0.0.1:0'],
      ['http://127.0.0.1:9000', `http://127.0.0.1:${model.port}`],
    ];
    const shipped = readFileSync(join(root, 'deploy/compose/lastgood.yaml'), 'utf8');
    const here = changes.reduce((text, [from, to]) => replaced(text, from, to), shipped);
    writeFileSync(
      file,
      `${here}api: { listen: '127.0.0.1:0' }\ngateway: { metrics: '127.0.0.1:0' }\nalerts: { terminal: false }\n`,
    );
  }, 120_000);

  afterAll(async () => {
    for (const child of started) if (child.exitCode === null) child.kill('SIGCONT');
    for (const child of [...started].reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await until('its end', () => child.exitCode !== null || child.signalCode !== null, 40_000).catch(() =>
        child.kill('SIGKILL'),
      );
    }
    await temporal.stop();
    await postgres.stop();
    removeTemporary();
  }, 120_000);

  function start(name: string): ChildProcess {
    const { entrypoint = imageEntrypoint, command, environment } = compose.services[name] as ComposeService;
    const [program, ...args] = [...entrypoint, ...command].map((word) =>
      word
        .replace('/etc/lastgood/lastgood.yaml', file)
        .replace(/^\/lastgood\/dist/, distDirectory())
        .replace('127.0.0.1:7782', secondListens),
    );
    expect(program).toBe('node');
    expect(Object.keys(environment)).toEqual(['LASTGOOD_TEMPORAL_ADDRESS']);
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, LASTGOOD_TEMPORAL_ADDRESS: temporal.address },
    });
    started.push(child);
    return child;
  }

  const first = (): ReturnType<typeof runPaths> => runPaths(join(directory, 'data'));
  const second = (): ReturnType<typeof runPaths> => pathsOfController(first(), 'two');
  const get = (paths: { apiSocket: string }, path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const asked = request({ socketPath: paths.apiSocket, path, timeout: 2_000 }, (answer) => {
        let text = '';
        answer.on('data', (part: Buffer) => (text += part.toString()));
        answer.on('end', () => resolve(text));
      });
      asked.on('timeout', () => asked.destroy(new Error('no answer')));
      asked.on('error', reject);
      asked.end();
    });
  const health = async (paths: { apiSocket: string }): Promise<Health | null> =>
    await get(paths, '/v1/health').then(
      (text) => JSON.parse(text) as Health,
      () => null,
    );
  const leads = async (paths: { apiSocket: string }): Promise<boolean> => (await health(paths))?.leads === true;
  const ledger = async (kind: string): Promise<number> => {
    const page = JSON.parse(await get(second(), `/v1/services/chat/ledger?kinds=${kind}&limit=200`)) as LedgerPage;
    return page.entries.length;
  };

  test('both answer and work, one leads; killed, the other one leads within 15 s, and users notice nothing', async () => {
    const supervisor = start('lastgood');
    await until('the first to lead', () => leads(first()), 90_000);
    await until(
      'the service to be watched',
      // The first answers of a workflow that is just begun may be slower than a question waits.
      async () => (await get(first(), '/v1/services/chat').catch(() => '')).includes('"source":"workflow"'),
      30_000,
    );
    const entrance = (JSON.parse(readFileSync(first().gatewayReport, 'utf8')) as { addresses: { chat: string } })
      .addresses.chat;
    const address = entrance.startsWith('http') ? entrance : `http://${entrance}`;
    // A service that is watched may have no route for a moment yet.
    await until('its first route', async () => (await fetch(`${address}/v1/models`)).status === 200, 15_000);
    users = ask(address, lost);
    start('controller-2');
    await until('the second to work', async () => (await health(second()))?.parts.every(({ ok }) => ok), 60_000);
    expect(await leads(second())).toBe(false);
    expect(await get(second(), '/v1/services/chat')).toContain('"source":"workflow"');
    expect(await get(first(), '/metrics')).toContain('lastgood_decisions_reachable{service="chat"} 1');
    expect(await get(second(), '/metrics')).not.toContain('lastgood_decisions_reachable{');
    const before = await ledger('configured');

    // Nobody starts the first one again meanwhile, and what it alone would do has to be done.
    supervisor.kill('SIGSTOP');
    const { pid } = (await health(first())) as Health;
    await temporal.env.client.workflow.getHandle(serviceWorkflowId('chat')).terminate('lost');
    process.kill(pid, 'SIGKILL');
    const killedAt = performance.now();
    await until('the second to lead', () => leads(second()), 15_000);
    tell('killed', killedAt);
    const running = async (): Promise<boolean> =>
      (await temporal.env.client.workflow.getHandle(serviceWorkflowId('chat')).describe()).status.name === 'RUNNING';
    await until('the lost workflow to run again', running, 15_000 - (performance.now() - killedAt));
    await until(
      'its gauges',
      async () => (await get(second(), '/metrics')).includes('lastgood_decisions_reachable{service="chat"} 1'),
      15_000,
    );
    // The command line finds the one that is there.
    let said = '';
    const terminal = {
      isTerminal: false,
      out: (line: string) => void (said += line),
      err: (line: string) => void (said += line),
      repaint: () => undefined,
      now: () => Date.now(),
    };
    await main(['status', 'chat', '--config', file], terminal);
    expect(said).not.toContain('does not answer');
    expect(said).toContain('chat');
    expect(await ledger('configured')).toBe(before);

    supervisor.kill('SIGCONT');
    await until('the first again', async () => (await health(first()))?.parts.every(({ ok }) => ok), 40_000);
    expect([await leads(first()), await leads(second())]).toEqual([false, true]);
  });

  test('one that hangs with the lease loses it within 15 s, and does not lead when it wakes', async () => {
    const { pid } = (await health(second())) as Health;
    process.kill(pid, 'SIGSTOP');
    const stoppedAt = performance.now();
    await until('the first to lead', () => leads(first()), 15_000);
    tell('stopped', stoppedAt);
    process.kill(pid, 'SIGCONT');
    await until('the second to answer', async () => (await health(second())) !== null, 10_000);
    expect([await leads(first()), await leads(second())]).toEqual([true, false]);
    expect(await users.end()).toBeGreaterThan(100);
    expect(lost).toEqual([]);
  });
});

/** For docs/installation.md. */
function tell(what: string, sinceMs: number): void {
  process.stdout.write(`  ${what}, the leader was followed after ${Math.round(performance.now() - sinceMs)} ms\n`);
}

/** The text with what must be in it replaced. */
function replaced(text: string, from: string, to: string): string {
  expect(text).toContain(from);
  return text.replace(from, to);
}

/** Asks again and again; `lost` gets what was not answered well. */
function ask(entrance: string, lost: string[]): { end(): Promise<number> } {
  let asked = 0;
  let over = false;
  const asking = (async () => {
    while (!over) {
      asked += 1;
      await fetch(`${entrance}/v1/models`).then(
        async (answer) => {
          const text = await answer.text();
          if (answer.status !== 200) lost.push(`${answer.status} at request ${asked}: ${text}`);
        },
        (error: unknown) => void lost.push(String(error)),
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return {
    async end() {
      over = true;
      await asking;
      return asked;
    },
  };
}
