import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildVersions } from '../../examples/mail-triage/build';
import { Controller, type LedgerEntry } from '../../examples/mail-triage/demo/controller';
import type { ServiceConfiguration } from '../../workers/configuration/configuration';
import { readEnvironment } from '../../workers/environment';
import { startEmbedded, type Embedded } from '../../workers/embedded/embedded';
import type { ServicePolicy } from '../../domain/policy';
import type { ServiceStatus } from '../../workflows/contract/status';
import { NotMeasured } from '../report';
import { controlPortOf } from './faults';
import { Load } from './load';
import { Histories } from './round-trips';

export const SERVICE = 'mail-triage';
/** Release that is broken on purpose in each episode, and the one that people trust. */
export const LIVE = '1.2';
export const TRUSTED = '1.1';

export type State = ServiceStatus['state'];

/** Everything on this machine as `lastgood up` starts it, with the real versions of mail-triage. */
export class Bench {
  readonly controller: Controller;

  private constructor(
    private readonly directory: string,
    private readonly embedded: Embedded,
    readonly load: Load,
    readonly histories: Histories,
    readonly seed: number,
  ) {
    this.controller = new Controller(embedded.apiSocket, SERVICE);
  }

  static async start(options: { dataDir: string; seed: number; say: (line: string) => void }): Promise<Bench> {
    const dataDir = resolve(options.dataDir);
    const built = await buildVersions({ out: join(dataDir, 'versions'), data: dataDir, onProgress: options.say });
    const directory = mkdtempSync(join(tmpdir(), 'lastgood-exposure-'));
    const embedded = await startEmbedded({
      configFile: configuration(directory),
      policyFile: join(__dirname, '..', 'exposure.policy.yaml'),
      environment: readEnvironment(),
      onProgress: options.say,
    });
    try {
      const load = await Load.start(join(__dirname, 'load-client.js'), {
        entrance: embedded.entrance(SERVICE),
        model: SERVICE,
        perSecond: 0,
        seed: options.seed,
        mails: dataDir,
        labels: { socket: embedded.apiSocket, service: SERVICE, minMs: 3_000, maxMs: 6_000 },
        limitMs: 15_000,
      });
      const { namespace } = embedded.configuration.temporal;
      const histories = await Histories.connect(embedded.temporalAddress, namespace);
      const bench = new Bench(directory, embedded, load, histories, options.seed);
      for (const version of [TRUSTED, LIVE]) {
        const path = built.versions.find((one) => one.version === version)?.directory;
        await bench.controller.importArtifact(path ?? '');
        const knows = (state: State): boolean => state.versions.some((facts) => facts.version === version);
        await bench.until(`${version} is known`, knows, 20_000);
      }
      return bench;
    } catch (error) {
      await embedded.stop();
      throw error;
    }
  }

  get policy(): ServicePolicy {
    return this.service.policy;
  }

  /** All that `exposure.policy.yaml` may change, as it is in force. */
  get settings(): Record<string, unknown> {
    const { policy, samples, firstByteMs, requestMaxMs } = this.service;
    return { ...policy, samples, firstByteMs, requestMaxMs };
  }

  private get service(): ServiceConfiguration {
    const service = this.embedded.configuration.services.find(({ name }) => name === SERVICE);
    if (!service) throw new Error(`${SERVICE} is not configured`);
    return service;
  }

  async state(): Promise<State | null> {
    const view = (await this.controller.status()) as unknown as { status: ServiceStatus | null };
    return view.status?.state ?? null;
  }

  async act(name: string, body: Record<string, unknown>): Promise<void> {
    const answer = await this.controller.act(name, { reason: 'bench', ...body });
    if (answer.decision !== 'accepted') throw new Error(`${name} ${JSON.stringify(body)}: ${answer.why}`);
  }

  /** Polls the state; @throws NotMeasured with the last state when it does not come about. */
  async until(what: string, holds: (state: State) => boolean, limitMs: number): Promise<State> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const state = await this.state();
      if (state !== null && holds(state)) return state;
      if (performance.now() > deadline) {
        const { declared, standby, operation, incident, breaker, degradations } = state ?? {};
        const seen = { declared, standby, operation, incident, breaker, degradations };
        throw new NotMeasured(`${what}: not within ${limitMs / 1_000} s; ${JSON.stringify(seen).slice(0, 2_000)}`);
      }
      await pause(100);
    }
  }

  async ledgerHead(): Promise<number> {
    let head = 0;
    for (let page = await this.controller.ledgerAfter(head); page.length > 0;) {
      head = page.at(-1)?.seq ?? head;
      page = await this.controller.ledgerAfter(head);
    }
    return head;
  }

  /** All entries after `after` of these kinds. */
  async entries(kinds: readonly string[], after: number): Promise<LedgerEntry[]> {
    const found: LedgerEntry[] = [];
    for (let page = await this.controller.ledgerAfter(after); page.length > 0;) {
      found.push(...page.filter(({ kind }) => kinds.includes(kind)));
      page = await this.controller.ledgerAfter(page.at(-1)?.seq ?? Infinity);
    }
    return found;
  }

  /** The first entry after `after` of this kind; null when the time is over. */
  async entry(kinds: readonly string[], after: number, limitMs: number): Promise<LedgerEntry | null> {
    const deadline = performance.now() + limitMs;
    for (let seen = after; performance.now() < deadline;) {
      for (const entry of await this.controller.ledgerAfter(seen)) {
        seen = entry.seq;
        if (kinds.includes(entry.kind)) return entry;
      }
      await pause(50);
    }
    return null;
  }

  controlPort(instance: string): number {
    return controlPortOf(join(this.directory, 'data', 'serving', SERVICE), instance);
  }

  async stop(): Promise<void> {
    this.load.kill();
    await this.histories.close();
    await this.embedded.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms));
}

function configuration(directory: string): string {
  mkdirSync(directory, { recursive: true });
  const server = join(__dirname, '..', '..', 'examples', 'mail-triage', 'server.js');
  const options = ['--artifact', '{artifact}', '--port', '{port}', '--report', '{report}', '--control'];
  const file = join(directory, 'lastgood.yaml');
  writeFileSync(
    file,
    `dataDir: data
api: { listen: 127.0.0.1:0 }
gateway: { metrics: 127.0.0.1:0 }
alerts: { terminal: false }
services:
  ${SERVICE}:
    listen: 127.0.0.1:0
    model: ${SERVICE}
    serving:
      runtime: process
      engine: open-inference
      command: ${JSON.stringify([process.execPath, server, ...options])}
    answer: { class: 'outputs[name=label].data[0]', score: 'outputs[name=score].data[0]' }
`,
  );
  return file;
}
