import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { Blindness } from './blindness';
import { controlServer } from './control';
import { GatewayConfigError } from './errors';
import { metricsRegistry, metricsServer, ServiceMeters } from './metrics';
import type { GatewayConfig } from './protocol';
import { openReturnCheck, type ReturnCheck } from './return-check';
import { addressOf, drain, listen, probeServer, serviceServer, type AnyServer } from './server';
import { RouterLog } from './router-log';
import { Service } from './service';
import { Storage } from './storage';
import { foldOld } from './telemetry-fold';
import { gapRow } from './telemetry-store';

const ALIVE_MS = 1_000;
const HOUSEKEEPING_MS = 60_000;
const FOLD_PAUSE_MS = 200;

/** The whole process: opens the database, restores the routes, listens; `stop` ends it without losing anything. */
export class Gateway {
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly control: Server;
  private readonly remote: Server | null;
  private readonly servers = new Map<string, AnyServer>();
  private readonly probeServers = new Map<string, Server>();
  private stopping: Promise<void> | null = null;
  private routerLog: RouterLog | null = null;
  private nextHouse = 0;

  private constructor(
    private readonly config: GatewayConfig,
    private readonly storage: Storage,
    private readonly services: ReadonlyMap<string, Service>,
    private readonly probe: { readonly token: string; readonly file: string },
    private readonly metrics: Server,
    private readonly blindness: Blindness | null,
    private readonly returning: ReturnCheck | null,
    readonly startedAt: number,
  ) {
    const token = 'host' in config.control ? probe.token : null;
    const health = (): unknown => this.health();
    this.control = controlServer({ services, token, health });
    const { remoteControl: remote } = config;
    this.remote = remote
      ? controlServer({ services, token: tokenIn('remoteControl.tokenFile', remote.tokenFile), health })
      : null;
  }

  /** Throws `GatewayConfigError` or `GatewayStorageError` with one sentence for people. */
  static async start(config: GatewayConfig): Promise<Gateway> {
    const startedAt = Date.now();
    const storage = new Storage(config.dataDir, config.release);
    const probe = probeToken(config);
    const services = new Map<string, Service>();
    for (const each of config.services) {
      const meters = new ServiceMeters();
      services.set(each.name, new Service(each, storage, config.dataDir, meters, probe.token, startedAt));
    }
    noteStart(storage, [...services.values()], startedAt);
    const all = [...services.values()];
    const returning = openReturnCheck(config, all);
    const metrics = metricsServer(metricsRegistry(all, returning));
    const blindness = config.blindWebhook ? new Blindness(all, config.blindWebhook) : null;
    const gateway = new Gateway(config, storage, services, probe, metrics, blindness, returning, startedAt);
    await gateway.open();
    return gateway;
  }

  /** Accepts nothing new, lets requests in flight end, writes everything down. */
  stop(): Promise<void> {
    this.stopping ??= this.close();
    return this.stopping;
  }

  private async open(): Promise<void> {
    const { config } = this;
    await listen(this.metrics, config.metrics);
    if ('socket' in config.control) {
      await removeStale(config.control.socket);
      // Bound with the mode in force from the first moment on: there is no instant at which others may connect.
      const mask = process.umask(0o177);
      await listen(this.control, config.control).finally(() => process.umask(mask));
      chmodSync(config.control.socket, 0o600);
    } else {
      await listen(this.control, config.control);
    }
    if (this.remote && config.remoteControl) await listen(this.remote, config.remoteControl);
    this.returning?.start();
    for (const service of this.services.values()) {
      const server = serviceServer(service);
      await listen(server, service.config.listen);
      this.servers.set(service.config.name, server);
      if (service.entrance === null) continue;
      const probes = probeServer(service);
      await listen(probes, { host: '127.0.0.1', port: 0 });
      this.probeServers.set(service.config.name, probes);
    }
    if (config.routerLog !== undefined) {
      const { socket } = config.routerLog;
      await removeStale(socket);
      this.routerLog = await RouterLog.start(socket, join(config.dataDir, 'router-log.json'), this.services);
    }
    this.every(ALIVE_MS, () => this.markAlive(0));
    // One service after the other, spread over the time: all at once would hold up the traffic of all for as long.
    this.every(HOUSEKEEPING_MS / Math.max(1, this.services.size), () => this.keepNextHouse());
    this.markAlive(0);
    for (let count = 0; count < this.services.size; count += 1) this.keepNextHouse();
    this.report();
  }

  private async close(): Promise<void> {
    await Promise.all([...this.servers.values(), ...this.probeServers.values()].map((server) => drain(server)));
    for (const timer of this.timers) clearInterval(timer);
    this.blindness?.stop();
    await this.routerLog?.stop();
    this.returning?.stop();
    for (const service of this.services.values()) await service.stop();
    this.markAlive(1);
    for (const server of [this.control, this.remote, this.metrics]) {
      if (server === null) continue;
      server.close();
      server.closeAllConnections();
    }
    this.storage.close();
  }

  private health(): unknown {
    return {
      ok: this.stopping === null,
      pid: process.pid,
      startedAt: this.startedAt,
      address: addressesOf(this.servers),
      probeAddress: addressesOf(this.probeServers),
      probeTokenFile: this.probe.file,
    };
  }

  private report(): void {
    const { reportFile, control } = this.config;
    if (reportFile === undefined) return;
    const report = {
      pid: process.pid,
      startedAt: this.startedAt,
      addresses: addressesOf(this.servers),
      metrics: addressOf(this.metrics),
      control: 'socket' in control ? { socket: control.socket } : { address: addressOf(this.control) },
      ...(this.remote === null ? {} : { remoteControl: addressOf(this.remote) }),
    };
    // Renamed into place: a reader sees no half of it.
    writeFileSync(`${reportFile}.tmp`, `${JSON.stringify(report)}\n`, { mode: 0o600 });
    renameSync(`${reportFile}.tmp`, reportFile);
  }

  /** What was before this moment is stored: after a crash the gap begins here. */
  private markAlive(clean: 0 | 1): void {
    const now = Date.now();
    const through = Math.min(now, ...[...this.services.values()].map((service) => service.storedThrough(now)));
    try {
      this.storage.prepare('INSERT OR REPLACE INTO process (id, alive_at, clean) VALUES (1, ?, ?)').run(through, clean);
    } catch {
      // The mark stays older than it must be; the gap is then shown longer, never shorter.
    }
  }

  private keepNextHouse(): void {
    const services = [...this.services.values()];
    const service = services[this.nextHouse % Math.max(1, services.length)];
    this.nextHouse += 1;
    if (!service) return;
    const held = this.config.services.filter(({ legalHold }) => legalHold === true).map(({ name }) => name);
    try {
      service.housekeeping(Date.now(), held);
      // Folding deletes the rows of one second.
      if (!held.includes(service.config.name)) this.fold(service.config.name);
    } catch (error) {
      process.stderr.write(`lastgood gateway: housekeeping of ${service.config.name}: ${String(error)}\n`);
    }
  }

  private fold(service: string): void {
    if (this.stopping || !foldOld(this.storage, service, Date.now())) return;
    setTimeout(() => this.fold(service), FOLD_PAUSE_MS).unref();
  }

  private every(ms: number, task: () => void): void {
    this.timers.push(setInterval(task, ms));
  }
}

function addressesOf(servers: ReadonlyMap<string, AnyServer>): Record<string, string> {
  return Object.fromEntries([...servers].map(([name, server]) => [name, addressOf(server)]));
}

/** Numbers the start, and after an unclean end the time in which something may have been lost. */
function noteStart(storage: Storage, services: readonly Service[], startedAt: number): void {
  const last = storage.prepare('SELECT alive_at, clean FROM process WHERE id = 1').get() as
    { alive_at: number; clean: number } | undefined;
  for (const { telemetry, route } of services) {
    const rows = [];
    if (last && last.clean === 0) {
      rows.push({ row: gapRow(last.alive_at, startedAt, 'the gateway ended without writing down its last moments') });
    }
    const [version, epoch] = [route.record?.primary ?? null, route.record?.epoch ?? 0];
    const detail = `pid ${process.pid}`;
    rows.push({
      row: {
        kind: 'event',
        fromMs: startedAt,
        toMs: startedAt,
        event: 'gatewayStarted',
        version,
        epoch,
        detail,
      } as const,
    });
    telemetry.append(rows);
  }
}

/** A socket file that nobody listens on is left over from a crash; one that answers belongs to a running gateway. */
async function removeStale(socket: string): Promise<void> {
  if (!existsSync(socket)) return;
  const taken = await new Promise<boolean>((resolve) => {
    const connection = createConnection(socket);
    connection.on('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.on('error', () => resolve(false));
  });
  if (taken) throw new GatewayConfigError(`another process listens on ${socket}: is a second gateway running?`);
  rmSync(socket);
}

/** The token of probes: that of the control interface; behind a Unix socket one of its own in the data directory. */
function probeToken(config: GatewayConfig): { token: string; file: string } {
  if ('tokenFile' in config.control) {
    const file = config.control.tokenFile;
    return { token: tokenIn('control.tokenFile', file), file };
  }
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const file = join(config.dataDir, 'probe-token');
  if (!existsSync(file)) writeFileSync(file, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  const token = readFileSync(file, 'utf8').trim();
  if (token.length < 16) throw new GatewayConfigError(`${file}: expected at least 16 characters`);
  return { token, file };
}

function tokenIn(path: string, file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new GatewayConfigError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (token.length < 16) throw new GatewayConfigError(`${path}: ${file}: expected at least 16 characters`);
  return token;
}
