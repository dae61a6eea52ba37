import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { Controller, type LedgerEntry } from '../../examples/mail-triage/demo/controller';
import { readEnvironment } from '../../workers/environment';
import { startEmbedded, type Embedded } from '../../workers/embedded/embedded';
import type { ServiceStatus } from '../../workflows/contract/status';
import { NotMeasured } from '../report';
import { MODEL, writeVersion } from './artifact';
import type { Ground } from './grounds';

const SERVICE = 'mail-triage';
const WAIT_MS = 90_000;

type State = ServiceStatus['state'];

/** Everything on this machine as `lastgood up` starts it, with versions that run on one ground. The policy is the shipped one. */
export class Site {
  private readonly controller: Controller;
  private head = 0;

  private constructor(
    private readonly directory: string,
    private readonly embedded: Embedded,
    private readonly ground: Ground,
  ) {
    this.controller = new Controller(embedded.apiSocket, SERVICE);
  }

  static async start(ground: Ground): Promise<Site> {
    const directory = mkdtempSync(join(tmpdir(), `lastgood-bench-${ground.name}-`));
    const configFile = join(directory, 'lastgood.yaml');
    const service = { listen: '127.0.0.1:0', model: MODEL, serving: ground.serving, policy: { copiesLoadedMax: 4 } };
    writeFileSync(
      configFile,
      stringify({
        dataDir: 'data',
        api: { listen: '127.0.0.1:0' },
        gateway: { metrics: '127.0.0.1:0' },
        alerts: { terminal: false },
        services: { [SERVICE]: service },
      }),
    );
    const embedded = await startEmbedded({ configFile, environment: readEnvironment() });
    return new Site(directory, embedded, ground);
  }

  get entrance(): string {
    return this.embedded.entrance(SERVICE);
  }

  /** Resolves to the directory that it was imported from. */
  async add(version: string): Promise<string> {
    const path = writeVersion(join(this.directory, version), SERVICE, version, this.ground.files(version));
    await this.controller.importArtifact(path);
    await this.until(`${version} is known`, ({ versions }) => versions.some((facts) => facts.version === version));
    return path;
  }

  /** The decision; its effects follow. */
  async act(name: 'deploy' | 'rollback', version: string): Promise<void> {
    await this.skipLedger();
    const body = name === 'rollback' ? { to: version } : { version };
    const answer = await this.controller.act(name, { reason: 'bench', ...body });
    if (answer.decision !== 'accepted') throw new NotMeasured(`${name} ${version}: ${answer.why}`);
  }

  async entry(kinds: readonly string[]): Promise<LedgerEntry> {
    for (const deadline = performance.now() + WAIT_MS; performance.now() < deadline;) {
      for (const entry of await this.controller.ledgerAfter(this.head)) {
        this.head = entry.seq;
        if (kinds.includes(entry.kind)) return entry;
      }
      await new Promise((resume) => setTimeout(resume, 50));
    }
    throw new NotMeasured(`${kinds.join(' or ')}: no such entry within ${WAIT_MS / 1_000} s`);
  }

  async live(version: string): Promise<void> {
    await this.until(`${version} is live`, (state) => state.declared?.primary === version && state.operation === null);
  }

  async warm(version: string): Promise<void> {
    await this.until(
      `${version} is warm`,
      ({ standby, operation }) => operation === null && standby?.version === version && standby.proof === 'ok',
    );
  }

  async stop(): Promise<void> {
    await this.embedded.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async skipLedger(): Promise<void> {
    for (let page = await this.controller.ledgerAfter(this.head); page.length > 0;) {
      this.head = page.at(-1)?.seq ?? this.head;
      page = await this.controller.ledgerAfter(this.head);
    }
  }

  private async until(what: string, holds: (state: State) => boolean): Promise<void> {
    let seen: State | null = null;
    for (const deadline = performance.now() + WAIT_MS; performance.now() < deadline;) {
      const view = (await this.controller.status()) as unknown as { status: ServiceStatus | null };
      seen = view.status?.state ?? null;
      if (seen !== null && holds(seen)) return;
      await new Promise((resume) => setTimeout(resume, 100));
    }
    const { declared, standby, operation, degradations } = seen ?? {};
    const found = JSON.stringify({ declared, standby, operation, degradations }).slice(0, 2_000);
    throw new NotMeasured(`${what}: not within ${WAIT_MS / 1_000} s; ${found}`);
  }
}
