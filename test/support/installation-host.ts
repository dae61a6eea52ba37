import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { runPaths } from '../../workers/embedded/paths';
import { distDirectory } from '../../workers/program';
import { SERVICE, type Installation } from './installation';
import { runningCopies, type ServingCopy } from './installation-copies';
import { until } from './poll';

/** What every host of an installation finds at the same place: artifacts and the gateway's token, as a shared mount. */
export const SHARED = 'shared';

/**
 * Another host of an installation: a host worker with the same configuration file and a data directory of its own. It
 * shares nothing with the first one but Temporal, the shared directory, and the gateway's second listener.
 */
export class OtherHost {
  private worker: ChildProcess | null = null;
  private readonly directory: string;

  constructor(
    private readonly installation: Installation,
    readonly name: string,
  ) {
    this.directory = join(installation.directory, `host-${name}`);
    mkdirSync(this.directory);
    for (const shared of ['lastgood.yaml', SHARED])
      symlinkSync(join(installation.directory, shared), join(this.directory, shared));
  }

  /** Resolves when the worker polls its queues. */
  async start(): Promise<void> {
    const { paths, failpointDirectory } = this.installation;
    const { server } = JSON.parse(readFileSync(paths.temporalRecord, 'utf8')) as { server: { address: string } };
    const main = join(distDirectory(), 'workers', 'main.js');
    const config = join(this.directory, 'lastgood.yaml');
    const outputFile = join(this.directory, 'output.log');
    const output = openSync(outputFile, 'a');
    const args = [main, 'host', '--config', config, '--host', this.name, '--temporal', server.address];
    const worker = spawn(process.execPath, args, {
      stdio: ['ignore', output, output],
      // By this it is ended with the installation.
      env: { ...process.env, LASTGOOD_FAILPOINTS: failpointDirectory },
    });
    closeSync(output);
    this.worker = worker;
    await until(
      `the host worker of ${this.name}`,
      () => {
        if (worker.exitCode !== null) throw new Error(`it ended: ${readFileSync(outputFile, 'utf8')}`);
        return this.polls(worker.pid ?? 0);
      },
      30_000,
    );
  }

  copies(): ServingCopy[] {
    return runningCopies(join(this.directory, 'data', 'serving', SERVICE));
  }

  /** As a machine that loses its power: worker and copies at once. */
  losePower(): void {
    for (const pid of [this.worker?.pid ?? 0, ...this.copies().map((copy) => copy.pid)])
      if (pid > 0) process.kill(pid, 'SIGKILL');
  }

  private polls(pid: number): boolean {
    const { hostReport } = runPaths(join(this.directory, 'data'));
    if (!existsSync(hostReport)) return false;
    try {
      const report = JSON.parse(readFileSync(hostReport, 'utf8')) as { pid: number; polling: boolean };
      return report.pid === pid && report.polling;
    } catch {
      // It is being written.
      return false;
    }
  }
}
