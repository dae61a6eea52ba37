import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { Controller } from '../../examples/mail-triage/demo/controller';
import { readEnvironment } from '../../workers/environment';
import { startEmbedded, type Embedded } from '../../workers/embedded/embedded';
import { runPaths, type RunPaths } from '../../workers/embedded/paths';
import type { ServiceStatus } from '../../workflows/contract/status';
import { writeVersion } from '../load/artifact';
import { NotMeasured } from '../report';
import { LineChild } from './child';
import { Histories } from './histories';
import type { Plan } from './options';

/** Busy services whose versions lastgood runs itself, so that there is a process to kill. */
const VICTIMS = 3;
const VICTIM_PER_SECOND = 20;
const BUSY_PER_SECOND = 1;
export const TRUSTED = '1.0';
export const LIVE = '1.1';

type State = ServiceStatus['state'];

/** One installation as `lastgood up` starts it, with all of its services in one file, one gateway and one controller. */
export class Site {
  readonly victims: readonly string[];
  readonly busy: readonly string[];
  readonly idle: readonly string[];
  readonly paths: RunPaths;
  private readonly users = LineChild.start(join(__dirname, 'users.js'));

  private constructor(
    private readonly directory: string,
    private readonly embedded: Embedded,
    private readonly backend: LineChild,
    readonly histories: Histories,
    names: { readonly idle: readonly string[]; readonly busy: readonly string[]; readonly victims: readonly string[] },
  ) {
    this.idle = names.idle;
    this.busy = names.busy;
    this.victims = names.victims;
    this.paths = runPaths(embedded.configuration.dataDir);
  }

  static async start(plan: Plan, say: (line: string) => void, signal: AbortSignal): Promise<Site> {
    const directory = mkdtempSync(join(tmpdir(), 'lastgood-scale-'));
    const backend = LineChild.start(join(__dirname, 'backend.js'));
    const { port } = await backend.heard<{ port: number }>();
    const named = (what: string, count: number): string[] =>
      Array.from({ length: count }, (_, at) => `${what}-${String(at + 1).padStart(4, '0')}`);
    const victims = named('victim', Math.min(VICTIMS, plan.busy));
    const busy = [...victims, ...named('busy', plan.busy - victims.length)];
    const idle = named('idle', plan.services);
    const configFile = join(directory, 'lastgood.yaml');
    writeFileSync(configFile, configuration([...busy, ...idle], victims, `http://127.0.0.1:${port}`));
    try {
      const embedded = await startEmbedded({ configFile, environment: readEnvironment(), signal, onProgress: say });
      const histories = await Histories.connect(embedded.temporalAddress, embedded.configuration.temporal.namespace);
      return new Site(directory, embedded, backend, histories, { idle, busy, victims });
    } catch (error) {
      backend.stop();
      throw error;
    }
  }

  get services(): readonly string[] {
    return [...this.busy, ...this.idle];
  }

  pid(part: 'controller' | 'gateway' | 'temporal'): number {
    const { controllerReport, gatewayReport, temporalRecord } = this.paths;
    const read = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));
    if (part === 'temporal') return (read(temporalRecord) as { server: { pid: number } }).server.pid;
    return (read(part === 'controller' ? controllerReport : gatewayReport) as { pid: number }).pid;
  }

  /** The same pid may be there no more: null while nobody has reported. */
  controllerPid(): number | null {
    try {
      return this.pid('controller');
    } catch {
      return null;
    }
  }

  controller(service: string): Controller {
    return new Controller(this.embedded.apiSocket, service);
  }

  async state(service: string): Promise<State | null> {
    const view = (await this.controller(service)
      .status()
      .catch(() => null)) as unknown as { readonly status: ServiceStatus | null } | null;
    return view?.status?.state ?? null;
  }

  /** @throws NotMeasured when it does not come about */
  async until(service: string, what: string, holds: (state: State) => boolean, limitMs: number): Promise<void> {
    let last: State | null = null;
    for (const deadline = performance.now() + limitMs; performance.now() < deadline;) {
      last = await this.state(service);
      if (last !== null && holds(last)) return;
      await pause(250);
    }
    const { declared, operation, incident, standby } = last ?? {};
    throw new NotMeasured(
      `${service}: ${what}: not within ${limitMs / 1_000} s; ${JSON.stringify({ declared, operation, incident, standby }).slice(0, 800)}`,
    );
  }

  /** Both versions of the services that will be broken, the newer one live, the older one as proven standby. */
  async prepareVictims(): Promise<void> {
    for (const service of this.victims) {
      const controller = this.controller(service);
      for (const version of [TRUSTED, LIVE]) {
        const at = join(this.directory, 'versions', service, version);
        writeVersion(at, service, version, { 'light.json': JSON.stringify({ version }) });
        await controller.importArtifact(at);
        await this.until(
          service,
          `${version} is known`,
          ({ versions }) => versions.some((one) => one.version === version),
          90_000,
        );
        await this.accepted(service, 'deploy', { version });
        await this.until(
          service,
          `${version} is live`,
          ({ declared, operation }) => declared?.primary === version && operation === null,
          120_000,
        );
      }
    }
    for (const service of this.victims) await this.standbyReady(service);
  }

  async standbyReady(service: string): Promise<void> {
    await this.until(
      service,
      'a proven standby',
      ({ standby, operation }) => standby?.proof === 'ok' && operation === null,
      120_000,
    );
  }

  async accepted(service: string, act: string, body: Record<string, unknown>): Promise<void> {
    const { decision, why } = await this.controller(service).act(act, { reason: 'bench', ...body });
    if (decision !== 'accepted') throw new NotMeasured(`${act} ${service}: ${why}`);
  }

  beginUsers(): void {
    const entrances = this.busy.map((service) => ({
      service,
      url: this.embedded.entrance(service),
      perSecond: this.victims.includes(service) ? VICTIM_PER_SECOND : BUSY_PER_SECOND,
    }));
    this.users.say({ entrances });
  }

  async usersSaw(): Promise<
    Record<string, { sent: number; failed: number; failedAt: number[]; last: { at: number; version: string } | null }>
  > {
    this.users.say({ ask: true });
    return await this.users.heard();
  }

  /** Kills the live process of a victim; resolves to the moment of it. */
  async killLive(service: string): Promise<number> {
    const state = await this.state(service);
    const primary = state?.declared?.primary ?? '';
    const instance = state?.declared?.backends[primary]?.[0]?.instance ?? '';
    const pid = pidOf(join(this.directory, 'data', 'serving', service), instance);
    const at = Date.now();
    process.kill(pid, 'SIGKILL');
    return at;
  }

  async stop(): Promise<void> {
    this.users.stop();
    this.backend.stop();
    await this.histories.close();
    await this.embedded.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms));
}

function configuration(services: readonly string[], victims: readonly string[], backend: string): string {
  const server = join(__dirname, '..', 'load', 'model-server.js');
  const own = {
    runtime: 'process',
    command: [process.execPath, server, '--artifact', '{artifact}', '--digest', '{digest}', '--report', '{report}'],
  };
  return stringify({
    dataDir: 'data',
    api: { listen: '127.0.0.1:0' },
    gateway: { metrics: '127.0.0.1:0' },
    alerts: { terminal: false },
    services: Object.fromEntries(
      services.map((name) => {
        const victim = victims.includes(name);
        const service = {
          listen: '127.0.0.1:0',
          model: victim ? 'mail' : name,
          changes: victim ? 'lastgood' : 'external',
          serving: victim ? own : { runtime: 'external', engine: 'open-inference', address: backend },
          answer: { class: 'outputs[name=label].data[0]' },
          // A cooldown of half an hour would leave one measured kill a service.
          ...(victim ? { policy: { cooldown: '1s', breaker: { consecutiveRollbacks: 20 } } } : {}),
        };
        return [name, service];
      }),
    ),
  });
}

function pidOf(servingDirectory: string, instance: string): number {
  const file = join(servingDirectory, encodeURIComponent(instance), 'record.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid;
}
