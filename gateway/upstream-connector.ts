import { buildConnector } from 'undici';
import type { GatewayServiceConfig } from './protocol';
import { FileWatch, readCertificates } from './tls-files';

type UpstreamTls = NonNullable<GatewayServiceConfig['upstreamTls']>;

const CONNECT_MS = 2_000;

/**
 * How the backends of one service are connected to. Those at `https://` prove themselves each time, by the configured
 * authority or the ones that Node knows, and by their name; there is no switch that turns that off.
 */
export class UpstreamConnector {
  private connector: buildConnector.connector;
  private readonly watch: FileWatch | null;

  /** Throws `GatewayConfigError` where the file of the authority cannot be used. */
  constructor(
    private readonly service: string,
    private readonly tls: UpstreamTls | undefined,
  ) {
    this.connector = this.build();
    this.watch = tls?.caFile === undefined ? null : new FileWatch([tls.caFile], () => this.reload());
  }

  readonly connect: buildConnector.connector = (options, callback) => this.connector(options, callback);

  stop(): void {
    this.watch?.stop();
  }

  private build(): buildConnector.connector {
    const { caFile, serverName } = this.tls ?? {};
    return buildConnector({
      timeout: CONNECT_MS,
      rejectUnauthorized: true,
      ...(caFile === undefined ? {} : { ca: readCertificates('upstreamTls.caFile', caFile) }),
      ...(serverName === undefined ? {} : { servername: serverName }),
    });
  }

  private reload(): void {
    try {
      this.connector = this.build();
      process.stderr.write(`lastgood gateway: ${this.service}: backends are proven by the changed authority\n`);
    } catch (error) {
      const why = (error as Error).message;
      process.stderr.write(`lastgood gateway: ${this.service}: the former authority stays in use: ${why}\n`);
    }
  }
}
