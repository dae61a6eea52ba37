import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { apiClient, type ApiClient } from '../../cli/api-client';
import { apiWorld } from '../../cli/commands/chaos-world';
import { buildVersions } from '../../examples/mail-triage/build';
import { openChaos, type Chaos } from '../../workers/chaos/open-chaos';
import { StateFile } from '../../workers/chaos/state-file';
import { failpointHold } from '../../workers/chaos/step-hold';
import type { ChaosWorld, ServiceFacts, StepHold } from '../../workers/chaos/world';
import { startEmbedded, type Embedded } from '../../workers/embedded/embedded';
import { readEnvironment } from '../../workers/environment';
import { NotMeasured } from '../report';

export const SERVICE = 'mail-triage';
/** Live at the begin of each run, its standby, and the version to which each run rolls back: one that is not warm. */
export const LIVE = '1.2';
export const STANDBY = '1.1';
export const TARGET = '1.0';

const RESET_MS = 120_000;

/** Everything on this machine as `lastgood up` starts it, with failpoints, so that each fault is made exactly in its step. */
export class Grounds {
  private constructor(
    private readonly directory: string,
    private readonly embedded: Embedded,
    private readonly client: ApiClient,
    readonly chaos: Chaos,
    readonly world: ChaosWorld,
    readonly hold: StepHold,
    readonly stateFile: StateFile,
  ) {}

  static async start(options: { dataDir: string; say: (line: string) => void }): Promise<Grounds> {
    const dataDir = resolve(options.dataDir);
    const built = await buildVersions({ out: join(dataDir, 'versions'), data: dataDir, onProgress: options.say });
    const directory = mkdtempSync(join(tmpdir(), 'lastgood-chaos-'));
    const failpoints = join(directory, 'failpoints');
    mkdirSync(failpoints);
    const embedded = await startEmbedded({
      configFile: configuration(directory),
      policyFile: join(__dirname, '..', 'chaos.policy.yaml'),
      environment: readEnvironment({ ...process.env, LASTGOOD_FAILPOINTS: failpoints }),
      onProgress: options.say,
    });
    try {
      const settings = {
        configFile: embedded.configuration.file,
        dataDir: embedded.configuration.dataDir,
        services: [SERVICE],
        target: { kind: 'socket' as const, path: embedded.apiSocket },
      };
      const client = apiClient(settings);
      const grounds = new Grounds(
        directory,
        embedded,
        client,
        await openChaos(embedded.configuration),
        apiWorld(client, SERVICE, undefined),
        failpointHold(failpoints),
        new StateFile(embedded.configuration.dataDir),
      );
      for (const version of [TARGET, STANDBY, LIVE])
        await grounds.bringIn(built.versions.find((one) => one.version === version)?.directory ?? '', version);
      await grounds.act('vouch', { version: STANDBY });
      await grounds.act('deploy', { version: STANDBY });
      await grounds.until(
        `${STANDBY} is live`,
        (state) => state.declared?.primary === STANDBY && state.operation === null,
      );
      return grounds;
    } catch (error) {
      await embedded.stop();
      throw error;
    }
  }

  get policy(): unknown {
    return this.embedded.configuration.services.find(({ name }) => name === SERVICE)?.policy;
  }

  /** The same begin for each run: the live version with a proven standby that the route names, and nothing open. */
  async reset(): Promise<void> {
    let state = await this.until('no operation in flight', ({ operation }) => operation === null);
    if (state.breaker.open) await this.act('clearBreaker', { breakerEpoch: state.breaker.epoch });
    for (const { version, standing } of state.versions)
      if (standing === 'quarantined' || standing === 'suspect') await this.act('clearQuarantine', { version });
    // By way of the standby, so that it is the version that is kept warm.
    if (state.declared?.primary !== LIVE || (state.standby !== null && state.standby.version !== STANDBY)) {
      for (const version of [STANDBY, LIVE]) {
        state = await this.until('no operation in flight', ({ operation }) => operation === null);
        if (state.declared?.primary !== version) await this.act('deploy', { version });
        await this.until(`${version} is live`, (now) => now.declared?.primary === version && now.operation === null);
      }
    }
    await this.until(
      `${LIVE} live, ${STANDBY} proven and named as fallback`,
      (now) =>
        now.operation === null &&
        now.incident === null &&
        now.declared?.primary === LIVE &&
        now.declared.fallback === STANDBY &&
        now.standby?.proof === 'ok' &&
        now.fallbackInUse === null &&
        now.degradations.length === 0 &&
        !now.breaker.open &&
        (now.cooldownUntil ?? 0) <= Date.now(),
    );
  }

  async stop(): Promise<void> {
    await this.chaos.close();
    await this.embedded.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async bringIn(path: string, version: string): Promise<void> {
    const answer = await fetch(`${this.embedded.apiAddress}/v1/artifacts/import`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.embedded.apiToken}` },
      body: JSON.stringify({ path }),
    });
    if (!answer.ok) throw new NotMeasured(`${version} was not imported: ${await answer.text()}`);
    await this.until(`${version} is known`, ({ versions }) => versions.some((facts) => facts.version === version));
  }

  private async act(name: Parameters<ApiClient['act']>[1], body: Record<string, unknown>): Promise<void> {
    const answer = await this.client.act(SERVICE, name, { reason: 'bench chaos', ...body });
    if ('until' in answer) throw new NotMeasured(`${name} waits for a second person`);
    if (answer.decision !== 'accepted') throw new NotMeasured(`${name} ${JSON.stringify(body)}: ${answer.why}`);
  }

  private async until(what: string, holds: (state: ServiceFacts) => boolean): Promise<ServiceFacts> {
    const deadline = performance.now() + RESET_MS;
    for (;;) {
      const { state } = await this.world.look().catch(() => ({ state: null }));
      if (state !== null && holds(state)) return state;
      if (performance.now() > deadline) {
        const { declared, standby, operation, incident, breaker } = state ?? {};
        const seen = JSON.stringify({ declared, standby, operation, incident, breaker }).slice(0, 1_500);
        throw new NotMeasured(`${what}: not within ${RESET_MS / 1_000} s; ${seen}`);
      }
      await new Promise((resume) => setTimeout(resume, 100));
    }
  }
}

function configuration(directory: string): string {
  const server = join(__dirname, '..', '..', 'examples', 'mail-triage', 'server.js');
  const command = [process.execPath, server, '--artifact', '{artifact}', '--port', '{port}', '--report', '{report}'];
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
    chaos: allow
    serving:
      runtime: process
      engine: open-inference
      command: ${JSON.stringify(command)}
    answer: { class: 'outputs[name=label].data[0]', score: 'outputs[name=score].data[0]' }
`,
  );
  return file;
}
