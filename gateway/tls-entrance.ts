import { createServer, type Server as TlsServer, type ServerOptions } from 'node:https';
import type { RequestListener } from 'node:http';
import type { GatewayServiceConfig } from './protocol';
import { endsAt, FileWatch, readListenTls } from './tls-files';

const HANDSHAKE_MS = 10_000;

/**
 * The entrance of one service over TLS. Its files are read again when they change: new connections get the new
 * certificate, those that are open stay as they are, and what cannot be read changes nothing but a counter and a line.
 */
export class TlsEntrance {
  readonly server: TlsServer;
  /** Times that changed files could not be used. */
  reloadErrors = 0;
  /** End of the certificate that new connections get, in milliseconds since 1970. */
  certificateEndsAt: number;
  private readonly watch: FileWatch;

  /** Throws `GatewayConfigError` where the files cannot be used. */
  constructor(
    private readonly service: string,
    private readonly tls: NonNullable<GatewayServiceConfig['listenTls']>,
    options: ServerOptions,
    onRequest: RequestListener,
  ) {
    const files = readListenTls(tls);
    this.certificateEndsAt = endsAt(files.cert);
    const asksClients = tls.clientCaFile !== undefined;
    this.server = createServer(
      {
        ...options,
        ...files,
        minVersion: 'TLSv1.2',
        handshakeTimeout: HANDSHAKE_MS,
        requestCert: asksClients,
        rejectUnauthorized: asksClients,
      },
      onRequest,
    );
    const named = [tls.certFile, tls.keyFile, tls.clientCaFile].filter((file) => file !== undefined);
    this.watch = new FileWatch(named, () => this.reload());
    this.server.on('close', () => this.watch.stop());
  }

  private reload(): void {
    try {
      const files = readListenTls(this.tls);
      this.server.setSecureContext({ ...files, minVersion: 'TLSv1.2' });
      this.certificateEndsAt = endsAt(files.cert);
      process.stderr.write(`lastgood gateway: ${this.service}: new connections get the changed certificate\n`);
    } catch (error) {
      // One of the two files was perhaps not written yet: the second change is seen, too.
      this.reloadErrors += 1;
      const why = (error as Error).message;
      process.stderr.write(`lastgood gateway: ${this.service}: the former certificate stays in use: ${why}\n`);
    }
  }
}
