import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { request } from 'undici';
import { HaproxyError, HaproxyOvertaken, HaproxyUnreachable } from '../../../adapters/traffic/haproxy/errors';
import type { RouteRecord } from '../../../domain/route';
import { route } from '../../support/gateway-process';
import { describeHaproxy, HaproxyProcess } from '../../support/haproxy-process';
import { until } from '../../support/poll';
import { Upstream } from '../../support/upstreams';

jest.setTimeout(60_000);

const ROOT = join(__dirname, '../../..');
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function rig(): Promise<{
  haproxy: HaproxyProcess;
  record: (epoch: number, primary: string) => RouteRecord;
  version: () => Promise<string>;
}> {
  const haproxy = await HaproxyProcess.start();
  closers.push(() => haproxy.stop());
  const [old, now] = await Promise.all([Upstream.start('1.1'), Upstream.start('1.2')]);
  closers.push(
    () => old.kill(),
    () => now.kill(),
  );
  const backends = { '1.1': [old.backend()], '1.2': [now.backend()] };
  return {
    haproxy,
    record: (epoch, primary) => route(epoch, primary, backends),
    version: async () => {
      const answer = await request(`${haproxy.address}/echo`, { method: 'POST', body: '{}' });
      await answer.body.dump();
      return `${answer.statusCode} ${String(answer.headers['x-lastgood-version'])}`;
    },
  };
}

/** Between a router and the master's socket: sees what is asked, may hold it, may cut what is answered. */
class Between {
  readonly socket: string;
  /** Called with each piece that is on its way to HAProxy. */
  onAsked: (piece: string) => Promise<void> | void = () => undefined;
  /** Bytes of answers of one connection after which it is reset; the connections after the first `cuts` are whole. */
  cutAfter = Infinity;
  cuts = Infinity;
  answered = 0;
  private readonly server: Server;
  private readonly open = new Set<Socket>();

  constructor(haproxy: HaproxyProcess) {
    this.socket = join(haproxy.directory, 'between.sock');
    this.server = createServer((client) => {
      const master = connect({ path: haproxy.masterSocket });
      for (const one of [client, master]) {
        this.open.add(one);
        one.on('error', () => undefined);
      }
      const cuts = this.cuts-- > 0;
      let left = this.cutAfter;
      let order = Promise.resolve();
      client.on('data', (piece: Buffer) => {
        order = order.then(() => this.onAsked(piece.toString())).then(() => void master.write(piece));
      });
      master.on('data', (piece: Buffer) => {
        this.answered += piece.length;
        client.write(cuts ? piece.subarray(0, left) : piece);
        left -= piece.length;
        if (cuts && left <= 0) client.end(() => master.destroy());
      });
      client.on('close', () => master.destroy());
      master.on('close', () => client.destroy());
    });
    closers.push(() => {
      for (const one of this.open) one.destroy();
      this.server.close();
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(this.socket, resolve));
    return this;
  }
}

/** Applies a record in a process of its own, as a second host worker would. */
function applyElsewhere(haproxy: HaproxyProcess, record: RouteRecord): Promise<{ applied?: boolean; why?: string }> {
  const script = `
    const { haproxyRouter } = require('${ROOT}/adapters/traffic/haproxy/haproxy.ts');
    haproxyRouter({ ...${JSON.stringify(haproxy.options)}, lockWaitMs: 20000 }).apply(${JSON.stringify(record)})
      .then((result) => console.log(JSON.stringify(result)), (fault) => console.log(JSON.stringify({ why: fault.name + fault.message })));`;
  const child = spawn(process.execPath, ['-r', join(ROOT, 'test/support/typescript-register.cjs'), '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  closers.push(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (part: Buffer) => (output += part.toString()));
  return new Promise((resolve) => {
    child.once('exit', () => resolve(JSON.parse(output) as { applied?: boolean; why?: string }));
  });
}

describeHaproxy('several writers, half answers and a dead socket of HAProxy')('writers to HAProxy', () => {
  it('I2: a stale epoch from a second process is refused, and its record reaches nobody', async () => {
    const { haproxy, record, version } = await rig();
    await haproxy.router().apply(record(5, '1.2'));
    expect(await applyElsewhere(haproxy, record(4, '1.1'))).toMatchObject({ applied: false, why: 'stale-epoch' });
    expect(await version()).toBe('200 1.2');
  });

  it('I2: of four processes at once the highest epoch is in force at the end, and each is told the truth', async () => {
    const { haproxy, record, version } = await rig();
    const epochs = [3, 6, 4, 5];
    const results = await Promise.all(
      epochs.map((epoch) => applyElsewhere(haproxy, record(epoch, epoch === 6 ? '1.1' : '1.2'))),
    );
    expect(results[1]).toMatchObject({ applied: true, epoch: 6 });
    for (const result of results) expect(result.applied === true || result.why === 'stale-epoch').toBe(true);
    expect((await haproxy.router().read('mail')).record).toEqual(record(6, '1.1'));
    expect(await version()).toBe('200 1.1');
  });

  it('I2: a writer that was held up past its turn, its lock lost, is refused by HAProxy itself', async () => {
    const { haproxy, record, version } = await rig();
    await haproxy.router().apply(record(1, '1.1'));
    const between = await new Between(haproxy).listen();
    let goOn: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      between.onAsked = (piece) => {
        if (!piece.startsWith('commit map')) return undefined;
        resolve();
        return new Promise<void>((free) => (goOn = free));
      };
    });
    const late = haproxy.router({ masterSocket: between.socket, deadlineMs: 20_000 }).apply(record(2, '1.1'));
    const outcome = late.then(
      () => null,
      (fault: unknown) => fault,
    );
    await held;
    rmSync(join(haproxy.directory, 'route.lock'));
    expect(await haproxy.router().apply(record(3, '1.2'))).toMatchObject({ applied: true });
    goOn();
    expect(await outcome).toBeInstanceOf(HaproxyOvertaken);
    expect((await haproxy.router().read('mail')).record).toEqual(record(3, '1.2'));
    expect(await version()).toBe('200 1.2');
  });

  it('an answer that is cut anywhere leaves the old route or the new one, whole, and the next attempt ends well', async () => {
    const { haproxy, record, version } = await rig();
    const plain = haproxy.router();
    await plain.apply(record(1, '1.1'));
    const between = await new Between(haproxy).listen();
    const through = haproxy.router({ masterSocket: between.socket });
    between.cuts = 0;
    await through.apply(record(2, '1.2'));
    await through.apply(record(3, '1.1'));
    between.answered = 0;
    expect(await through.apply(record(4, '1.2'))).toMatchObject({ applied: true });
    const whole = between.answered;
    expect(whole).toBeGreaterThan(1_000);
    const seen = new Set<string>();
    for (let part = 0; part < 24; part += 1) {
      const epoch = 5 + part;
      const [before, after] = epoch % 2 === 1 ? ['1.2', '1.1'] : ['1.1', '1.2'];
      // Most of what is answered comes before the one step; the last pieces after it.
      between.cutAfter = part < 12 ? Math.round((whole * (part + 0.5)) / 12) : whole - (part - 11) * 60;
      between.cuts = 1;
      const outcome = await through.apply(record(epoch, after as string)).then(
        () => 'applied',
        (fault: unknown) => fault,
      );
      expect(outcome === 'applied' || outcome instanceof HaproxyError).toBe(true);
      const found = (await plain.read('mail')).record;
      expect([record(epoch - 1, before as string), record(epoch, after as string)]).toContainEqual(found);
      expect(await version()).toBe(`200 ${String(found?.primary)}`);
      seen.add(outcome === 'applied' ? 'applied' : `cut, ${found?.epoch === epoch ? 'new' : 'old'}`);
      expect(await through.apply(record(epoch, after as string))).toMatchObject({ applied: true });
      expect(await version()).toBe(`200 ${after}`);
    }
    // Both sides of the one step were met, else this test would show nothing.
    expect([...seen].sort()).toEqual(expect.arrayContaining(['cut, new', 'cut, old']));
  });

  it('a socket that takes everything and answers nothing is given up at the deadline, and holds nobody after', async () => {
    const { haproxy, record } = await rig();
    await haproxy.router().apply(record(1, '1.1'));
    const between = await new Between(haproxy).listen();
    between.onAsked = () => new Promise(() => undefined);
    const router = haproxy.router({ masterSocket: between.socket, deadlineMs: 300 });
    const began = performance.now();
    await expect(router.apply(record(2, '1.2'))).rejects.toThrow(HaproxyUnreachable);
    await expect(router.read('mail')).rejects.toThrow(/no whole answer within 300 ms/);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(await haproxy.router().apply(record(3, '1.2'))).toMatchObject({ applied: true });
  });

  it('what was changed on the socket by somebody else is not taken for ours, and the declared record repairs it', async () => {
    const { haproxy, record, version } = await rig();
    const router = haproxy.router();
    await router.apply(record(2, '1.2'));
    const map = `${haproxy.directory}/mail.map`;
    await haproxy.ask(`clear map ${map}`);
    expect(await version()).toMatch(/^503/);
    expect((await router.read('mail')).record).toBeNull();
    expect(await router.apply(record(2, '1.2'))).toMatchObject({ applied: true, epoch: 2 });
    expect(await version()).toBe('200 1.2');
    // A higher epoch that nobody here wrote: the floor says what has to be above it.
    await haproxy.ask(`set map ${map} digest 0000`);
    await haproxy.ask(`set map ${map} route 9|1|1|0|0|0|0|share|0|0|1.2|-|-`);
    expect(await router.read('mail')).toMatchObject({ record: null, floor: 10 });
    expect(await router.apply(record(8, '1.1'))).toMatchObject({ why: 'stale-epoch', epoch: 9 });
    expect(await router.apply(record(10, '1.1'))).toMatchObject({ applied: true });
    await until('the new route', async () => (await version()) === '200 1.1');
  });
});
