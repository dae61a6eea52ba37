import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { allPids, processEnvironment } from '../../adapters/disk/proc';
import { searchAttributeTypes } from '../../workflows/contract/ids';
import type { Environment } from '../environment';
import { readJson, writeJson } from '../files';
import { endProcess, identify, nonceVariable } from '../process-identity';
import { requireBinary } from '../temporal/binary';
import { adoptDevServer, startDevServer, type DevServer } from '../temporal/dev-server';
import { readStartTime } from '../temporal/process-identity';
import type { ProgressOutput } from '../temporal/progress';
import type { Part } from './part';
import type { RunPaths } from './paths';

export interface TemporalPartOptions {
  readonly environment: Environment;
  readonly paths: RunPaths;
  readonly namespace: string;
  readonly output: ProgressOutput;
}

const recordSchema = z.object({
  nonce: z.string(),
  /** The last known place: taken again, so that workers find the server where it was. */
  server: z.object({ address: z.string(), uiUrl: z.string(), pid: z.int(), startTime: z.string() }).nullable(),
});

export const searchAttributeList = Object.entries(searchAttributeTypes).map(([name, type]) => ({ name, type }));

/** Temporal's dev server with its database in the data directory. */
export class TemporalPart implements Part {
  readonly name = 'temporal';
  private server: DevServer | null = null;

  constructor(private readonly options: TemporalPartOptions) {}

  get address(): string {
    if (this.server === null) throw new Error('the Temporal server has not started yet');
    return this.server.address;
  }

  get uiUrl(): string {
    return this.server?.uiUrl ?? '';
  }

  async ensure(): Promise<'adopted' | 'started'> {
    const { namespace, paths, environment, output } = this.options;
    const former = await readJson(paths.temporalRecord, recordSchema);
    if (former?.server) {
      const adopted = await adoptDevServer(former.server, { namespace, searchAttributes: searchAttributeList }).catch(
        // It runs and does not answer: nothing can be done with it, and it holds the database.
        () => undefined,
      );
      if (adopted !== undefined) {
        this.server = adopted;
        return 'adopted';
      }
    }
    if (former !== null) await this.endFormer(former);
    const binary = await requireBinary('dev-server', { environment, output });
    const nonce = randomBytes(12).toString('hex');
    await writeJson(paths.temporalRecord, { nonce, server: former?.server ?? null });
    const start = (ports?: { grpc: number; ui: number }): Promise<DevServer> =>
      startDevServer({
        binary,
        environment: { ...environment, inherited: { ...environment.inherited, [nonceVariable]: nonce } },
        dbFile: paths.temporalDatabase,
        logFile: paths.log('temporal'),
        namespace,
        searchAttributes: searchAttributeList,
        ...(ports === undefined ? {} : { ports }),
      });
    const ports = former?.server ? portsOf(former.server) : undefined;
    // Somebody may have taken the former ports meanwhile; then any free ones do.
    this.server = ports === undefined ? await start() : await start(ports).catch(() => start());
    const { address, uiUrl, pid, startTime } = this.server;
    await writeJson(paths.temporalRecord, { nonce, server: { address, uiUrl, pid, startTime } });
    return 'started';
  }

  async isAlive(): Promise<boolean> {
    return this.server !== null && (await readStartTime(this.server.pid)) === this.server.startTime;
  }

  async stop(): Promise<void> {
    if (this.server !== null) return await this.server.stop();
    const former = await readJson(this.options.paths.temporalRecord, recordSchema);
    if (former !== null) await this.endFormer(former);
  }

  private async endFormer(former: z.infer<typeof recordSchema>): Promise<void> {
    const pid = allPids().find((one) => processEnvironment(one)?.get(nonceVariable) === former.nonce);
    const found = pid === undefined ? null : await identify(pid, former.nonce);
    if (found !== null) await endProcess(found, 10_000);
  }
}

function portsOf(server: { address: string; uiUrl: string }): { grpc: number; ui: number } {
  return { grpc: Number(server.address.split(':').at(-1)), ui: Number(new URL(server.uiUrl).port) };
}
