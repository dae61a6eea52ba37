import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { allPids, processEnvironment, processFacts } from '../../adapters/disk/proc';
import { buildVersions } from '../../examples/mail-triage/build';
import { runPaths } from '../../workers/embedded/paths';
import { distDirectory, packageDirectory } from '../../workers/program';
import { serviceWorkflowId } from '../../workflows/contract/ids';
import { Api } from './installation-api';
import { configurationText, SERVICE, type InstallationOptions } from './installation-configuration';
import { runningCopies, type ServingCopy } from './installation-copies';
import { Traffic } from './installation-traffic';
import { writeLightVersion, type LightVersion } from './light-versions';
import { until } from './poll';
import { temporaryDirectory } from './temporary';

export { SERVICE, type InstallationOptions, type ServingCopy };

export type PartName = 'up' | 'gateway' | 'controller' | 'host' | 'temporal';

const mailData = join(packageDirectory(), '.cache', 'mail-triage');

/**
 * `lastgood up` as a process of its own on a temporary directory, with everything that it starts: real processes, real
 * Temporal, real gateway. What a test kills is started again by `up`, as in production.
 */
export class Installation {
  readonly api: Api;
  readonly paths: ReturnType<typeof runPaths>;
  readonly failpointDirectory: string;
  private up: ChildProcess | null = null;
  private connection: Connection | null = null;
  private readonly traffic: Traffic[] = [];

  private constructor(
    readonly directory: string,
    private readonly options: InstallationOptions,
  ) {
    this.paths = runPaths(join(directory, 'data'));
    this.api = new Api(this.paths.apiSocket, SERVICE);
    this.failpointDirectory = join(directory, 'failpoints');
  }

  static async start(options: InstallationOptions): Promise<Installation> {
    const installation = new Installation(temporaryDirectory(options.name), options);
    mkdirSync(installation.failpointDirectory);
    options.prepare?.(installation.directory);
    writeFileSync(join(installation.directory, 'lastgood.yaml'), configurationText(options));
    try {
      await installation.startUp();
    } catch (error) {
      installation.killEverything();
      throw error;
    }
    return installation;
  }

  /** Starts `up` (again) and resolves when it says that everything is up. */
  async startUp(): Promise<void> {
    const outputFile = join(this.directory, 'up-output.log');
    const output = openSync(outputFile, 'w');
    const main = join(distDirectory(), 'workers', 'main.js');
    const child = spawn(process.execPath, [main, 'up', '--config', join(this.directory, 'lastgood.yaml')], {
      stdio: ['ignore', output, output],
      env: { ...process.env, LASTGOOD_FAILPOINTS: this.failpointDirectory },
    });
    closeSync(output);
    this.up = child;
    const text = (): string => readFileSync(outputFile, 'utf8');
    await until(
      'everything to be up',
      () => {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`up ended: ${text()}`);
        return text().includes('up; Ctrl-C stops');
      },
      90_000,
    );
  }

  get entrance(): string {
    const { router, service } = this.options;
    if (router !== undefined) return `http://${(service as { listen: string }).listen}`;
    const report = this.json(this.paths.gatewayReport) as { addresses: Record<string, string> };
    const address = report.addresses[SERVICE] ?? '';
    return address.startsWith('http') ? address : `http://${address}`;
  }

  pid(part: PartName): number {
    switch (part) {
      case 'up':
        return this.up?.pid ?? 0;
      case 'temporal':
        return (this.json(this.paths.temporalRecord) as { server: { pid: number } }).server.pid;
      case 'gateway':
      case 'controller':
      case 'host':
        return (this.json(this.paths.childRecord(part)) as { process: { pid: number } }).process.pid;
    }
  }

  kill(part: PartName): number {
    const pid = this.pid(part);
    process.kill(pid, 'SIGKILL');
    return pid;
  }

  /** Resolves when another process has taken the place of `former`. */
  async restarted(part: Exclude<PartName, 'up'>, former: number, timeoutMs = 30_000): Promise<void> {
    await until(`another ${part}`, () => this.pidOrNull(part) !== former && this.pidOrNull(part) !== null, timeoutMs);
  }

  /** Copies that run now, found by their own reports. */
  copies(): ServingCopy[] {
    return runningCopies(join(this.directory, 'data', 'serving', SERVICE));
  }

  /** The running copy of a version; the newest when there are several. */
  copyOf(version: string): ServingCopy {
    const found = this.copies().filter((copy) => copy.version === version);
    const last = found.at(-1);
    if (!last) throw new Error(`no copy of ${version} runs`);
    return last;
  }

  /** Switches a fault of a light copy on: `{status: 500}`, `{hang: true}`, `{}` for none. */
  async fault(version: string, fault: object): Promise<void> {
    const { controlPort } = this.copyOf(version);
    const path = this.options.models === 'light' ? '/faults' : '/fault';
    await fetch(`http://127.0.0.1:${controlPort}${path}`, { method: 'POST', body: JSON.stringify(fault) });
  }

  /** The process that runs this activity next kills itself there, once. */
  armFailpoint(activity: string, when: 'before' | 'after'): void {
    rmSync(join(this.failpointDirectory, `${activity}.${when}.hit`), { force: true });
    writeFileSync(join(this.failpointDirectory, `${activity}.${when}.new`), '');
    renameSync(
      join(this.failpointDirectory, `${activity}.${when}.new`),
      join(this.failpointDirectory, `${activity}.${when}`),
    );
  }

  failpointWasHit(activity: string, when: 'before' | 'after'): boolean {
    return existsSync(join(this.failpointDirectory, `${activity}.${when}.hit`));
  }

  async importLight(version: LightVersion): Promise<string> {
    const directory = writeLightVersion(join(this.directory, 'versions', version.version), version);
    await this.api.post('/v1/artifacts/import', { path: directory });
    await this.isKnown(version.version);
    return directory;
  }

  /** The real versions, trained once for all tests. */
  async importReal(...versions: string[]): Promise<void> {
    const built = await buildVersions({ out: join(mailData, 'versions'), data: mailData });
    for (const version of versions) {
      const path = built.versions.find((one) => one.version === version)?.directory;
      await this.api.post('/v1/artifacts/import', { path });
      await this.isKnown(version);
    }
  }

  /** The store has told the service workflow. */
  private async isKnown(version: string): Promise<void> {
    await this.api.whenState(`${version} is known`, ({ versions }) =>
      versions.some((facts) => facts.version === version),
    );
  }

  /** Users, counted; stopped with the installation. */
  async load(options: { perSecond: number; labels?: { minMs: number; maxMs: number } }): Promise<Traffic> {
    const real = this.options.models === 'real';
    const traffic = await Traffic.start({
      entrance: this.entrance,
      model: real ? SERVICE : 'mail',
      perSecond: options.perSecond,
      seed: 7,
      mails: real ? mailData : null,
      labels: options.labels ? { ...options.labels, socket: this.paths.apiSocket, service: SERVICE } : null,
      limitMs: 15_000,
    });
    this.traffic.push(traffic);
    return traffic;
  }

  async temporal(): Promise<Client> {
    const { server } = this.json(this.paths.temporalRecord) as { server: { address: string } };
    this.connection ??= await Connection.connect({ address: server.address });
    return new Client({ connection: this.connection, namespace: 'lastgood' });
  }

  async signalService(name: string, body: object): Promise<void> {
    await (await this.temporal()).workflow.getHandle(serviceWorkflowId(SERVICE)).signal(name, body);
  }

  /** Everything in order, as Ctrl-C does it; then nothing of it may run any more. */
  async stop(): Promise<void> {
    for (const traffic of this.traffic) traffic.kill();
    await this.connection?.close();
    const child = this.up;
    if (child !== null && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await until('the end of up', () => child.exitCode !== null || child.signalCode !== null, 40_000).catch(
        () => false,
      );
    }
    this.killEverything();
  }

  /** Every living process that was started from this directory. */
  processes(): number[] {
    return allPids().filter((pid) => {
      if (pid === process.pid || processFacts(pid) === null) return false;
      const run = processEnvironment(pid)?.get('LASTGOOD_RUN') ?? '';
      const failpoints = processEnvironment(pid)?.get('LASTGOOD_FAILPOINTS') ?? '';
      return run.startsWith(this.directory) || failpoints.startsWith(this.directory);
    });
  }

  private killEverything(): void {
    for (const pid of [this.up?.pid ?? 0, ...this.processes()].filter((pid) => pid > 0)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended meanwhile.
      }
    }
  }

  private pidOrNull(part: Exclude<PartName, 'up'>): number | null {
    try {
      const pid = this.pid(part);
      return processFacts(pid) === null ? null : pid;
    } catch {
      // Its record is being written.
      return null;
    }
  }

  private json(file: string): unknown {
    return JSON.parse(readFileSync(file, 'utf8'));
  }
}
