import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'undici';
import { applyResultSchema, CONTROL_PREFIX, routerStateSchema } from '../../gateway/protocol';
import type {
  ApplyResult,
  GatewayConfig,
  GatewayServiceConfig,
  RouterState,
  TelemetryRow,
} from '../../gateway/protocol';
import type { RouteRecord } from '../../domain/route';
import { compiled } from './compiled';

const START_MS = 10_000;

export type ServiceOptions = Partial<GatewayServiceConfig> & { readonly name: string };

/** What a test leaves out gets values that suit tests; `services` given as parts are completed, too. */
export interface GatewayOptions extends Partial<Omit<GatewayConfig, 'services'>> {
  readonly services?: readonly ServiceOptions[];
}

export function serviceConfig(part: ServiceOptions): GatewayServiceConfig {
  return {
    listen: { host: '127.0.0.1', port: 0 },
    sessionHeader: 'x-session-id',
    sessionMaxMs: 60_000,
    firstByteMs: 1_000,
    requestMaxMs: 10_000,
    repeatable: true,
    replayLimitBytes: 65_536,
    answer: { classPath: 'outputs[name=label].data[0]', scorePath: 'outputs[name=score].data[0]' },
    samples: { share: 0, maxCount: 100, maxAgeMs: 86_400_000, redactFields: [] },
    feedbackHorizonMs: 86_400_000,
    answerRetentionDays: 90,
    ...part,
  };
}

/**
 * Starts a gateway from the sources as they are now, on free ports, with its control interface on a Unix socket in a
 * data directory of its own. Resolves when it listens. The caller ends it with `stop()` or `kill()`.
 */
export async function startGateway(options: GatewayOptions = {}): Promise<GatewayProcess> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'lastgood-gw-'));
  const config: GatewayConfig = {
    dataDir,
    control: { socket: join(dataDir, 'control.sock') },
    metrics: { host: '127.0.0.1', port: 0 },
    reportFile: join(dataDir, 'report.json'),
    ...options,
    services: (options.services ?? [{ name: 'mail' }]).map(serviceConfig),
  };
  const gateway = new GatewayProcess(config);
  await gateway.start();
  return gateway;
}

interface Report {
  readonly pid: number;
  readonly addresses: Record<string, string>;
  readonly metrics: string;
  readonly control: { readonly socket: string } | { readonly address: string };
  readonly remoteControl?: string;
}

export class GatewayProcess {
  private child: ChildProcess | null = null;
  private client: Client | null = null;
  private report: Report | null = null;
  stderr = '';

  constructor(readonly config: GatewayConfig) {}

  /** Also starts it again after `kill`, with the same data; the ports that it chose the first time are kept. */
  async start(): Promise<void> {
    const configFile = join(this.config.dataDir, 'gateway.json');
    const reportFile = this.config.reportFile as string;
    rmSync(reportFile, { force: true });
    writeFileSync(configFile, JSON.stringify(this.withPorts()));
    const main = join(
      compiled([
        'gateway',
        'domain/caches',
        'domain/names.ts',
        'domain/route.ts',
        'domain/traffic-support.ts',
        'domain/detection/score-bins.ts',
      ]),
      'gateway/main.js',
    );
    const child = spawn(process.execPath, ['--enable-source-maps', main, '--config', configFile], {
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    this.child = child;
    child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    const deadline = Date.now() + START_MS;
    while (!existsSync(reportFile)) {
      if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}: ${this.stderr}`);
      if (Date.now() > deadline) throw new Error(`the gateway does not listen after ${START_MS} ms: ${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
  }

  get pid(): number {
    return this.known().pid;
  }

  get metricsAddress(): string {
    return this.known().metrics;
  }

  /** Address of the second listener of its control interface; null where it has none. */
  get remoteControl(): string | null {
    return this.known().remoteControl ?? null;
  }

  /** `http://127.0.0.1:port` for the clients of a service. */
  address(service = 'mail'): string {
    const address = this.known().addresses[service];
    if (address === undefined) throw new Error(`no service ${service}`);
    return address;
  }

  /** One request to the control interface; JSON in, status and JSON out. */
  async control(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: unknown }> {
    const response = await this.controlClient().request({
      method,
      path: `${CONTROL_PREFIX}${path}`,
      headers: { ...this.authorization(), 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    return { status: response.statusCode, body: await response.body.json() };
  }

  async apply(record: RouteRecord): Promise<ApplyResult> {
    return applyResultSchema.parse((await this.control('PUT', `/services/${record.service}/route`, record)).body);
  }

  async fence(epoch: number, service = 'mail'): Promise<number> {
    return ((await this.control('POST', `/services/${service}/fence`, { epoch })).body as { floor: number }).floor;
  }

  async state(service = 'mail'): Promise<RouterState> {
    return routerStateSchema.parse((await this.control('GET', `/services/${service}`)).body);
  }

  /** The stored telemetry rows after a number. */
  async telemetry(after = 0, service = 'mail'): Promise<TelemetryRow[]> {
    const response = await this.controlClient().request({
      method: 'GET',
      path: `${CONTROL_PREFIX}/services/${service}/telemetry?after=${after}`,
      headers: this.authorization(),
    });
    const lines = (await response.body.text()).split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as TelemetryRow);
  }

  /** Follows the telemetry; ends when the gateway or `stop` ends it. Empty lines (signs of life) come as null. */
  async *follow(after: number, signal: AbortSignal, service = 'mail'): AsyncGenerator<TelemetryRow | null> {
    const client = this.newClient();
    try {
      const path = `${CONTROL_PREFIX}/services/${service}/telemetry?after=${after}&follow=1`;
      const response = await client.request({ method: 'GET', path, headers: this.authorization(), signal });
      let rest = '';
      for await (const chunk of response.body as AsyncIterable<Buffer>) {
        const lines = (rest + chunk.toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) yield line === '' ? null : (JSON.parse(line) as TelemetryRow);
      }
    } finally {
      await client.destroy();
    }
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number | null> {
    return this.end('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  private async end(signal: NodeJS.Signals): Promise<number | null> {
    const { child } = this;
    if (!child) return null;
    await this.client?.destroy();
    this.client = null;
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    return new Promise((resolve) => {
      child.once('exit', (code) => resolve(code));
      child.kill(signal);
    });
  }

  private known(): Report {
    if (!this.report) throw new Error('the gateway was not started');
    return this.report;
  }

  private controlClient(): Client {
    return (this.client ??= this.newClient());
  }

  private newClient(): Client {
    const { control } = this.known();
    return 'socket' in control
      ? new Client('http://control', { socketPath: control.socket, bodyTimeout: 0 })
      : new Client(control.address, { bodyTimeout: 0 });
  }

  private authorization(): Record<string, string> {
    const { control } = this.config;
    return 'tokenFile' in control ? { authorization: `Bearer ${readFileSync(control.tokenFile, 'utf8').trim()}` } : {};
  }

  private withPorts(): GatewayConfig {
    const { report, config } = this;
    if (!report) return config;
    const services = config.services.map((service) => {
      const port = Number(new URL(report.addresses[service.name] ?? '').port);
      return { ...service, listen: { ...service.listen, port } };
    });
    return { ...config, services };
  }
}

/** A route record for tests: `versions` maps each version to its backends. */
export function route(
  epoch: number,
  primary: string,
  versions: Record<string, RouteRecord['backends'][string]>,
  more: Partial<Omit<RouteRecord, 'epoch' | 'primary' | 'backends'>> = {},
): RouteRecord {
  return { service: 'mail', epoch, primary, pins: [], backends: versions, ...more };
}
