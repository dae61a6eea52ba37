import { mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { EvidenceStore, Ledger } from '../../activities/ports';
import { openDirectoryStore } from '../../adapters/artifacts/directory-store';
import { versionProof } from '../../adapters/artifacts/version-proof';
import { openSqliteLedger, type SqliteLedger } from '../../adapters/ledger/sqlite-ledger';
import { gatewayTelemetry } from '../../adapters/telemetry/gateway';
import { gatewayRouter } from '../../adapters/traffic/gateway';
import type { Door } from '../../api/identity/identify';
import type { ApiPorts, Decisions, DrillSchedules, ItemsControl } from '../../api/ports';
import { createApiServer } from '../../api/server';
import { reduce } from '../../domain/service/reduce';
import type { ServiceState } from '../../domain/service/state';
import { Gateway } from '../../gateway/gateway';
import { openEvidence, openOutside } from '../../workers/outside';
import type { Configuration } from '../../workers/configuration/configuration';
import { gatewayConfigOf } from '../../workers/configuration/gateway-file';
import { releaseFacts } from '../../workers/release';
import { runPaths } from '../../workers/embedded/paths';
import { NEWEST_RULES } from '../../workflows/contract/inputs';
import { configured, SERVICES, startState } from './configured';

/**
 * The parts that have listeners, in this process: the gateway with its own store, the ledger's database, the artifact
 * store. Decisions are those of the reducer; nothing stands between it and the interface but the way through Temporal.
 */
export class Site {
  readonly states = new Map<string, ServiceState>();
  /** Everything that was changed through a port, as it happens. */
  readonly effects: string[] = [];
  readonly errors: string[] = [];
  private readonly closers: (() => unknown)[] = [];
  private upstream!: Server;
  /** What the model server says next, as raw bytes; null: a good answer. */
  says: Buffer | null = null;

  private constructor(
    readonly directory: string,
    readonly configuration: Configuration,
    readonly ledger: SqliteLedger,
    readonly gateway: Gateway,
    readonly evidence: EvidenceStore,
  ) {}

  static async open(): Promise<Site> {
    const { directory, configuration } = configured();
    const paths = runPaths(configuration.dataDir);
    for (const each of [configuration.dataDir, paths.runDir, paths.socketDir])
      mkdirSync(each, { recursive: true, mode: 0o700 });
    const ledger = await openSqliteLedger({ file: configuration.ledger.file });
    const gateway = await Gateway.start(gatewayConfigOf(configuration, paths));
    const site = new Site(directory, configuration, ledger, gateway, openEvidence(configuration));
    await site.begin();
    return site;
  }

  get paths(): ReturnType<typeof runPaths> {
    return runPaths(this.configuration.dataDir);
  }

  private async begin(): Promise<void> {
    this.upstream = createServer((request, response) => {
      request.resume();
      const { says } = this;
      if (says !== null) {
        response.socket?.end(says);
        return;
      }
      response.setHeader('content-type', 'application/json');
      response.end(
        '{"outputs":[{"name":"label","data":["spam"]},{"name":"score","data":[0.9]}],"choices":[{"text":"a"}]}',
      );
    });
    this.upstream.on('clientError', (_error, socket) => socket.destroy());
    await new Promise<void>((resolve) => this.upstream.listen(0, '127.0.0.1', resolve));
    this.closers.push(
      () => this.upstream.close(),
      () => this.upstream.closeAllConnections(),
    );
    const address = `http://127.0.0.1:${(this.upstream.address() as AddressInfo).port}`;
    const router = gatewayRouter({ address: this.paths.gatewayControl });
    const backends = {
      '1.0': [{ address, instance: 'x@1.0#a', digest: 'sha256:1' }],
      '1.1': [{ address, instance: 'x@1.1#a', digest: 'sha256:2' }],
    };
    for (const service of SERVICES) {
      await router.apply({ service, epoch: 1, primary: '1.0', pins: [], backends });
      this.states.set(service, startState(this.configuration, service));
    }
    await router.close();
  }

  decisions(): Decisions {
    return {
      status: (service) => Promise.resolve({ state: this.states.get(service) } as never),
      act: (service, _name, message) => {
        const { state, answer } = reduce(
          this.states.get(service) as ServiceState,
          { type: 'message', message },
          Date.now(),
          NEWEST_RULES,
        );
        this.states.set(service, { ...state, outbox: [], answered: [] });
        if (answer?.decision === 'accepted' && message.dryRun !== true)
          this.effects.push(`act ${message.name} ${service}`);
        return Promise.resolve(answer as never);
      },
      artifactsChanged: () => Promise.resolve(),
    };
  }

  /** The controller's interface at one door, on a socket of its own or on a port. */
  async api(door: Door): Promise<{ server: FastifyInstance; path: string; port: number }> {
    const { gatewayControl: address } = this.paths;
    const router = gatewayRouter({ address });
    const telemetry = gatewayTelemetry({ address });
    const outside = openOutside(this.configuration, this.paths);
    const store = await openDirectoryStore({ directory: join(this.directory, 'store') });
    this.closers.push(
      () => router.close(),
      () => telemetry.close(),
      () => outside.close(),
    );
    const noted = <T extends object>(name: string, port: T, ...changing: (keyof T)[]): T =>
      this.watched(name, port, changing);
    const ports: ApiPorts = {
      services: this.configuration.services.map(({ name, model, chaos, policy }) => ({
        name,
        model,
        chaos,
        regulated: policy.regulated === true,
      })),
      decisions: this.decisions(),
      schedules: noted('schedules', schedules(), 'put', 'setPaused', 'remove'),
      items: noted('items', items, 'order'),
      router,
      telemetry: noted('telemetry', telemetry, 'feedback'),
      pushed: noted('pushed', outside, 'take', 'takeReport'),
      alertsChanged: (service) => this.effects.push(`alerts ${service}`),
      evidence: this.evidence,
      series: { read: () => Promise.resolve(new Map()) },
      caches: { of: () => [] },
      ledger: noted('ledger', this.ledger as Ledger, 'append'),
      chains: this.ledger,
      artifacts: noted(
        'artifacts',
        {
          list: (service: string) => store.list(service),
          import: (path: string) => store.import(path),
          proof: (service: string, version: string) => versionProof(join(this.directory, 'store'), service, version),
        },
        'import',
      ),
      metrics: { contentType: 'text/plain', text: () => Promise.resolve('up 1\n') },
      health: () =>
        Promise.resolve({
          ok: true,
          pid: 1,
          startedAt: 2,
          version: '0',
          release: releaseFacts(),
          leads: true,
          parts: [],
        }),
    };
    const server = createApiServer(ports, {
      door,
      tls: null,
      onError: (error, what) => this.errors.push(`${what}: ${String(error.stack).slice(0, 600)}`),
    });
    const path = join(this.directory, `api-${this.closers.length}.sock`);
    await server.listen(door.kind === 'socket' ? { path } : { host: '127.0.0.1', port: 0 });
    this.closers.push(() => server.close());
    const at = server.server.address();
    return { server, path, port: typeof at === 'object' && at !== null ? at.port : 0 };
  }

  /** The port as it is, with a word in `effects` for each call that changes something. */
  private watched<T extends object>(name: string, port: T, changing: readonly (keyof T)[]): T {
    return new Proxy(port, {
      get: (target, key) => {
        const found = target[key as keyof T];
        if (typeof found !== 'function') return found;
        return (...given: unknown[]): unknown => {
          if (changing.includes(key as keyof T)) this.effects.push(`${name}.${String(key)}`);
          return (found as (...all: unknown[]) => unknown).apply(target, given);
        };
      },
    });
  }

  entrancePort(service: string): number {
    const { address } = this.health();
    return Number(new URL(address[service] ?? '').port);
  }

  private health(): { readonly address: Readonly<Record<string, string>> } {
    return (this.gateway as unknown as { health(): { address: Record<string, string> } }).health();
  }

  async close(): Promise<void> {
    for (const close of this.closers.splice(0).reverse()) await close();
    await this.gateway.stop();
    await this.ledger.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** As Temporal keeps them, by service. */
function schedules(): DrillSchedules {
  const kept = new Map<string, unknown>();
  return {
    read: (service) => Promise.resolve((kept.get(service) ?? null) as never),
    put: (service, schedule) => Promise.resolve(void kept.set(service, { ...schedule, paused: false })),
    setPaused: () => Promise.resolve(),
    remove: (service) => Promise.resolve(void kept.delete(service)),
  };
}

const items: ItemsControl = { progress: () => Promise.resolve(null), order: () => Promise.resolve() };
