import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { startFakeModel } from '../support/fake-model';
import { route } from '../support/gateway-process';
import { describeHaproxy, HaproxyProcess } from '../support/haproxy-process';

/** Before the master's socket: what is sent before HAProxy has answered what was sent before is one round trip with it. */
class CountedSocket {
  /** What was sent in each round trip, in order. */
  readonly trips: string[] = [];

  private constructor(
    private readonly server: Server,
    readonly path: string,
  ) {}

  static async start(path: string, to: string): Promise<CountedSocket> {
    const server = createServer((near) => {
      const far = connect({ path: to });
      let answered = true;
      near.on('data', (part) => {
        if (answered) counted.trips.push('');
        answered = false;
        counted.trips.push(`${counted.trips.pop() ?? ''}${part.toString()}`);
        far.write(part);
      });
      far.on('data', (part) => {
        answered = true;
        near.write(part);
      });
      near.on('close', () => far.destroy());
      far.on('close', () => near.destroy());
      near.on('error', () => far.destroy());
      far.on('error', () => near.destroy());
    });
    const counted = new CountedSocket(server, path);
    server.listen(path);
    await once(server, 'listening');
    return counted;
  }

  async stop(): Promise<void> {
    this.server.close();
    await once(this.server, 'close');
  }
}

describeHaproxy('round trips of a shift')('what stands between a decision and its users in HAProxy', () => {
  it('a version that has no place yet gets all requests after four round trips, and no command goes before its answer is judged', async () => {
    const [haproxy, model] = [await HaproxyProcess.start(), await startFakeModel()];
    const socket = await CountedSocket.start(join(haproxy.directory, 'counted.sock'), haproxy.masterSocket);
    const router = haproxy.router({ masterSocket: socket.path });
    const backend = (version: string) => [
      { address: model.address, instance: `mail@${version}#x`, digest: 'sha256:x' },
    ];
    try {
      await router.apply(route(1, '1.0', { '1.0': backend('1.0') }));
      socket.trips.length = 0;
      await router.apply(route(2, '1.1', { '1.1': backend('1.1') }));
      const moved = socket.trips.findIndex((sent) => sent.includes('commit map'));
      const [asked = '', opened = '', filled = '', committed = ''] = socket.trips;
      expect(moved).toBe(3);
      expect(asked).toContain('show proc');
      expect(opened).toMatch(/prepare map[^]*show map[^]*show stat/);
      expect(filled).toMatch(/set server[^]*add map/);
      expect(filled).not.toContain('commit');
      expect(committed).toMatch(/^commit map @\d+ \S+\n$/);
    } finally {
      await router.close();
      await socket.stop();
      await model.close();
      await haproxy.stop();
    }
  });
});
