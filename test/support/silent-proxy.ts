import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A way to a port on loopback that can do what a partition does: say nothing more, without closing anything. */
export class SilentProxy {
  private readonly sockets: Socket[] = [];

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(to: number): Promise<SilentProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new SilentProxy(server, (server.address() as AddressInfo).port);
    server.on('connection', (near) => {
      const far = connect(to, '127.0.0.1');
      near.pipe(far).pipe(near);
      near.on('error', () => far.destroy());
      far.on('error', () => near.destroy());
      proxy.sockets.push(near, far);
    });
    return proxy;
  }

  get connections(): number {
    return this.sockets.length / 2;
  }

  /** Those that are open; new ones pass. */
  dropOld(): void {
    for (const socket of this.sockets) socket.unpipe().pause();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
