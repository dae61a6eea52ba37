import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { compiled } from '../support/compiled';
import { compiledProduct, UpProcess } from '../support/embedded';
import { FakeVllm } from '../support/fake-vllm';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const nginx = ['/usr/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path)) ?? null;
if (nginx === null)
  process.stdout.write('skipped: migration from nginx (no nginx; scripts/bench-peers.sh installs it)\n');
const migration = nginx === null ? describe.skip : describe;

const page = readFileSync(join(__dirname, '..', '..', 'docs', 'migration.md'), 'utf8');
const folders = ['cli', 'workers', 'adapters', 'activities', 'domain', 'gateway', 'api', 'workflows'];
/** A block of the page by its language and its first comment, or a word that only it has. */
function block(language: string, mark: string): string {
  const found = [...page.matchAll(new RegExp('^```' + language + '\\n([^]*?)^```$', 'gm'))].map(
    ([, text = '']) => text,
  );
  const one = found.find((text) => text.includes(mark));
  if (one === undefined) throw new Error(`docs/migration.md has no ${language} block with "${mark}"`);
  return one;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

interface Answered {
  readonly status: number;
  readonly version: string | null;
}

/** One user that opens a connection for each request, as many clients do, and counts what comes back. */
class User {
  readonly answers: Answered[] = [];
  private going = true;
  private readonly running: Promise<void>;

  constructor(port: number) {
    this.running = this.run(port);
  }

  private async run(port: number): Promise<void> {
    const body = JSON.stringify({ model: 'my-model', prompt: 'hi', max_tokens: 1 });
    while (this.going) {
      this.answers.push(await ask(port, body));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Resolves when so many more answers came, all of them like that. */
  async more(count: number, like: (answer: Answered) => boolean): Promise<void> {
    await until('answers of that kind', () => this.answers.slice(-count).filter(like).length === count, 60_000);
  }

  async stop(): Promise<readonly Answered[]> {
    this.going = false;
    await this.running;
    return this.answers;
  }
}

function ask(port: number, body: string): Promise<Answered> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json' };
    const options = { host: '127.0.0.1', port, method: 'POST', path: '/v1/completions', headers, agent: new Agent() };
    const lost = (): void => resolve({ status: 0, version: null });
    const asked = httpRequest(options, (answer) => {
      answer.resume().on('end', () => {
        const version = answer.headers['x-lastgood-version'];
        resolve({ status: answer.statusCode ?? 0, version: typeof version === 'string' ? version : null });
      });
      answer.on('error', lost);
    });
    asked.on('error', lost).end(body);
  });
}

migration('vLLM behind nginx', () => {
  const dir = temporaryDirectory('migration');
  const config = join(dir, 'lastgood.yaml');
  let front: ChildProcess | null = null;
  let vllm: FakeVllm;
  let up: UpProcess;
  let program: string;
  let user: User;
  const ports = { front: 0, entrance: 0 };

  beforeAll(async () => {
    program = join(compiled(folders), 'cli', 'lastgood.js');
    up = new UpProcess(await compiledProduct(), dir, config);
    vllm = await FakeVllm.start({ names: ['my-model'] });
    ports.front = await freePort();
    ports.entrance = await freePort();
  }, 120_000);

  afterAll(async () => {
    await user?.stop();
    front?.kill('SIGQUIT');
    await up.cleanUp();
    await vllm.close();
    removeTemporary();
  });

  /** The addresses of the page are those of this test. */
  const here = (text: string): string =>
    text
      .replaceAll('127.0.0.1:8000', `127.0.0.1:${vllm.port}`)
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${ports.entrance}`)
      .replaceAll('127.0.0.1:80;', `127.0.0.1:${ports.front};`);

  function write(mark: string): void {
    const http = here(block('nginx', mark));
    mkdirSync(join(dir, 'nginx'), { recursive: true });
    writeFileSync(
      join(dir, 'nginx', 'nginx.conf'),
      `pid nginx.pid; error_log stderr; worker_processes 1; events {} http { access_log off; ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`).join(' ')}\n${http}}\n`,
    );
  }

  function run(command: string, args: readonly string[]): Promise<{ code: number | null; said: string }> {
    return new Promise((resolve, reject) => {
      const child = spawn(command, args, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });
      let said = '';
      child.stdout.on('data', (piece: Buffer) => (said += piece.toString()));
      child.stderr.on('data', (piece: Buffer) => (said += piece.toString()));
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, said }));
    });
  }
  const lastgood = (...args: string[]): ReturnType<typeof run> => run(process.execPath, [program, ...args]);

  /** `nginx -t && nginx -s reload` of the page. */
  async function exchange(mark: string): Promise<void> {
    write(mark);
    const where = ['-p', join(dir, 'nginx'), '-c', 'nginx.conf'];
    for (const words of [['-t'], ['-s', 'reload']]) {
      const { code, said } = await run(nginx ?? '', [...where, ...words]);
      expect([code, said]).toEqual([0, expect.any(String)]);
    }
  }

  test('an endpoint of one’s own is under watch within ten minutes, and no user loses a request on the way there and back', async () => {
    write('# before');
    front = spawn(nginx ?? '', ['-p', join(dir, 'nginx'), '-c', 'nginx.conf', '-g', 'daemon off;'], {
      stdio: 'ignore',
    });
    await until('nginx', async () => (await ask(ports.front, '{"model":"my-model","prompt":"hi"}')).status === 200);
    user = new User(ports.front);
    await user.more(20, ({ status, version }) => status === 200 && version === null);

    const begun = performance.now();
    expect(await lastgood('init', '--url', vllm.address, '--model', 'my-model')).toMatchObject({ code: 0 });
    // The block of the page, over what `init` wrote; free ports, because other tests run on this machine.
    const own = "api: { listen: '127.0.0.1:0' }\ngateway: { metrics: '127.0.0.1:0' }\n";
    const short = here(block('yaml', 'listen: 127.0.0.1:8080')).replace(
      'mode: observe',
      'mode: observe, detection: { shortWindow: { every: 2s, window: 10s } }',
    );
    writeFileSync(config, `${own}${short}`);
    const validated = await lastgood('validate');
    expect([validated.code, validated.said]).toEqual([0, expect.any(String)]);
    await up.start();
    await until(
      'the entrance',
      async () => (await ask(ports.entrance, '{"model":"my-model","prompt":"hi"}')).status === 200,
      60_000,
    );

    await exchange('# through');
    await user.more(20, ({ status, version }) => status === 200 && version !== null);
    // 4: measured, and nothing to go back to yet; 3 would be that nothing is measured.
    let status = { code: null as number | null, said: '' };
    await until('a status', async () => (status = await lastgood('status')).code === 4, 60_000).catch(() => undefined);
    const watched = status.said;
    expect(watched).toMatch(/condition +not ready/);
    expect(watched).toMatch(/mode +observe/);
    expect(watched).toMatch(/immediate +\S+ +ok/);
    const minutes = (performance.now() - begun) / 60_000;
    expect(watched).toContain('my-model');
    // The first assessment comes after five minutes by default; here it was not waited for.
    expect(minutes + 5).toBeLessThan(10);

    // lastgood goes away: nginx asks vLLM itself, and comes back to the entrance when it is there again.
    expect(await up.end('SIGTERM')).toBe('0');
    await user.more(20, ({ status, version }) => status === 200 && version === null);
    await exchange('# before');
    await user.more(20, ({ status, version }) => status === 200 && version === null);
    const answers = await user.stop();
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(answers.length).toBeGreaterThan(100);
  }, 240_000);
});
