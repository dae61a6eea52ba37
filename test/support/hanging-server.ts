import { createServer, type AddressInfo, type Socket } from 'node:net';

/** A real server that accepts connections and never says a byte, whatever comes. */
export class HangingServer {
  readonly sockets = new Set<Socket>();
  accepted = 0;
  private readonly server = createServer((socket) => {
    this.accepted += 1;
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
    socket.resume();
  });

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
