import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { LedgerPage, ServiceView } from '../../api/types';
import { processEnvironment } from '../../adapters/disk/proc';
import type { UpProcess } from '../support/embedded';
import { compiledProduct } from '../support/embedded';
import { deployMail, embeddedMail, mailView } from '../support/embedded-mail';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

const started: UpProcess[] = [];
/** Longer than the gateway waits for anything that it may wait for here. */
const HANGS_AFTER_MS = 15_000;
let dist: string;

beforeAll(async () => {
  dist = await compiledProduct();
}, 120_000);

afterAll(async () => {
  for (const up of started) await up.cleanUp();
  removeTemporary();
});

/** One version of one service, deployed and live. */
async function serving(): Promise<{ up: UpProcess; entrance: string }> {
  const up = embeddedMail(dist, 'revival');
  started.push(up);
  await up.start();
  const entrance = await deployMail(up, '1.0');
  await until('the end of the deploy', async () => (await mailView(up)).status?.state.operation === null, 60_000);
  return { up, entrance };
}

async function entries(up: UpProcess, kind: string): Promise<LedgerPage['entries']> {
  return ((await up.api('GET', `/v1/services/mail/ledger?kinds=${kind}`)).json as LedgerPage).entries;
}

/** Processes of the copies, without the shells that lead their sessions. */
function copies(up: UpProcess): number[] {
  return up.processes().filter((pid) => {
    const ours = (processEnvironment(pid)?.get('LASTGOOD_RUN') ?? '').startsWith(up.dir);
    return ours && !readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('/bin/sh');
  });
}

/** As a machine that loses its power: nobody gets a word. */
function killEverything(up: UpProcess): void {
  for (const pid of up.processes()) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended with another one.
    }
  }
}

interface Answer {
  readonly at: number;
  readonly ms: number;
  /** `lost`: no answer at all. `hung`: none within the limit. */
  readonly status: number | 'lost' | 'hung';
  readonly reason: string | null;
}

/** One user after the other, every request counted. */
class Users {
  readonly answers: Answer[] = [];
  private going = true;
  private readonly done: Promise<void>;

  constructor(private readonly entrance: string) {
    this.done = this.run();
  }

  async stop(): Promise<readonly Answer[]> {
    this.going = false;
    await this.done;
    return this.answers;
  }

  since(at: number, status: number): number {
    return this.answers.filter((answer) => answer.at >= at && answer.status === status).length;
  }

  private async run(): Promise<void> {
    while (this.going) {
      this.answers.push(await ask(this.entrance));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function ask(entrance: string): Promise<Answer> {
  const body = JSON.stringify({ inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['hello'] }] });
  const at = Date.now();
  const signal = AbortSignal.timeout(HANGS_AFTER_MS);
  try {
    const answer = await fetch(`${entrance}/v2/models/mail/infer`, { method: 'POST', body, signal });
    await answer.arrayBuffer();
    const reason = answer.headers.get('x-lastgood-reason');
    return { at, ms: Date.now() - at, status: answer.status, reason };
  } catch {
    return { at, ms: Date.now() - at, status: signal.aborted ? 'hung' : 'lost', reason: null };
  }
}

function portOf(found: ServiceView): number {
  const { record } = found.gateway ?? {};
  return Number(new URL(record?.backends[record.primary]?.[0]?.address ?? '').port);
}

test('everything is killed with the machine: the next `up` serves the same version by the route that was in force', async () => {
  const { up, entrance } = await serving();
  const before = (await mailView(up)).gateway?.record;
  const users = new Users(entrance);
  await until('users', () => users.since(0, 200) >= 20);
  killEverything(up);
  await until('the end of everything', () => up.processes().length === 0);
  await until('the end of up', () => up.exited);
  await up.start();
  const upAt = Date.now();
  await until('users again', () => users.since(upAt, 200) >= 20, 30_000);
  const answers = await users.stop();
  // From the moment at which somebody listens again, the route is true.
  expect(answers.filter(({ status }) => status !== 200 && status !== 'lost')).toEqual([]);
  expect((await mailView(up)).gateway?.record).toEqual(before);
  expect(await entries(up, 'deploy-decided')).toHaveLength(1);
  expect(await up.end('SIGTERM')).toBe('0');
  expect(up.processes()).toEqual([]);
}, 240_000);

test('the port is taken after the reboot: the version comes back by another copy and a higher epoch', async () => {
  const { up, entrance } = await serving();
  const before = await mailView(up);
  killEverything(up);
  await until('the end of up', () => up.exited);
  const stranger: Server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => stranger.listen(portOf(before), '127.0.0.1', resolve));
  try {
    await up.start();
    await until('an answer', async () => (await ask(entrance)).status === 200, 60_000);
    const after = await mailView(up);
    expect(after.gateway?.record?.primary).toBe('1.0');
    expect(after.gateway?.record?.epoch).toBeGreaterThan(before.gateway?.record?.epoch ?? Infinity);
    expect(portOf(after)).not.toBe(portOf(before));
    expect(await up.end('SIGTERM')).toBe('0');
  } finally {
    stranger.close();
  }
}, 240_000);

test('the only process of the only version is killed: it comes back by itself, and every request meanwhile is answered with a reason', async () => {
  const { up, entrance } = await serving();
  const users = new Users(entrance);
  await until('users', () => users.since(0, 200) >= 20);
  const running = copies(up);
  expect(running).toHaveLength(1);
  const killedAt = Date.now();
  for (const pid of running) process.kill(pid, 'SIGKILL');
  await until('the first failure', () => users.answers.some(({ at, status }) => at >= killedAt && status !== 200));
  await until('users again', () => users.since(killedAt, 200) >= 20, 60_000);
  const answers = await users.stop();
  const failed = answers.filter(({ at, status }) => at >= killedAt && status !== 200);
  const back = answers.find(({ at, status }) => at > (failed.at(-1)?.at ?? Infinity) && status === 200);
  const slowest = Math.max(...answers.map(({ ms }) => ms));
  const seconds = ((back?.at ?? Infinity) - killedAt) / 1_000;
  process.stdout.write(
    `revival: back after ${seconds.toFixed(1)} s, ${failed.length} requests failed, the slowest took ${slowest} ms\n`,
  );
  expect(failed.map(({ status }) => status).filter((status) => status !== 503 && status !== 502)).toEqual([]);
  expect(failed.filter(({ reason }) => reason === null)).toEqual([]);
  await until('the end of the revival', async () => (await mailView(up)).status?.state.operation === null, 60_000);
  const decided = await entries(up, 'deploy-decided');
  expect(decided.at(-1)).toMatchObject({ actor: { proof: 'lastgood' }, facts: { attempt: 1 } });
  expect(await entries(up, 'rollback-decided')).toEqual([]);
  const { status } = await mailView(up);
  expect(status?.state.versions.map(({ standing }) => standing)).toEqual(['validated']);
  expect(await up.end('SIGTERM')).toBe('0');
  expect(up.processes()).toEqual([]);
}, 240_000);
