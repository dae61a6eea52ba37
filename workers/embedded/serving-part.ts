import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { z } from 'zod';
import { openDirectoryStore } from '../../adapters/artifacts/directory-store';
import { engineFor, openRuntime } from '../composition';
import type { Configuration, ServiceConfiguration } from '../configuration/configuration';
import type { Environment } from '../environment';
import { readJson, writeJson } from '../files';
import type { Part } from './part';
import type { RunPaths } from './paths';

const copySchema = z.object({
  service: z.string(),
  instance: z.string(),
  version: z.string(),
  digest: z.string(),
  port: z.int(),
});
type Copy = z.infer<typeof copySchema>;

export interface ServingPartOptions {
  readonly configuration: Configuration;
  readonly environment: Environment;
  readonly paths: RunPaths;
  readonly log: Logger;
  /** Leave the copies running at the end. */
  readonly keep: { serving: boolean };
}

/**
 * What serves, as far as the supervisor is concerned: it decides nothing about versions. At its end it stops every copy
 * and notes them; at the next start it starts those same copies again, under the same names and at the same addresses,
 * so that the route that the gateway still has is true again.
 */
export class ServingPart implements Part {
  readonly name = 'serving';
  private readonly noteFile: string;

  constructor(private readonly options: ServingPartOptions) {
    this.noteFile = join(options.paths.runDir, 'serving-copies.json');
  }

  async ensure(): Promise<'adopted' | 'started'> {
    const copies = (await readJson(this.noteFile, z.array(copySchema))) ?? [];
    const { configuration, log } = this.options;
    for (const copy of copies) {
      const service = configuration.services.find(({ name }) => name === copy.service);
      if (service === undefined) continue;
      try {
        await this.startAgain(service, copy);
      } catch (error) {
        // The others are of use all the same; a dead live version is what detection and the operator are for.
        log.error({ ...copy, err: error }, 'a copy that served before does not start again');
      }
    }
    await rm(this.noteFile, { force: true });
    return copies.length === 0 ? 'adopted' : 'started';
  }

  isAlive(): Promise<boolean> {
    return Promise.resolve(true);
  }

  /** After gateway and host worker have ended: nobody sends a request there, and nobody starts another copy. */
  async stop(): Promise<void> {
    if (this.options.keep.serving) return;
    const { configuration, environment, log } = this.options;
    const stopped: Copy[] = [];
    for (const service of configuration.services) {
      if (service.serving.runtime !== 'process') continue;
      const runtime = await openRuntime(configuration, service, engineFor(service), environment);
      const { instances, foreign } = await runtime.inspect(service.name);
      for (const { what, why } of foreign) log.warn({ what, why }, 'not ours, left alone');
      for (const { instance, version, digest, address, state } of instances) {
        if (state === 'exited') continue;
        const port = Number(new URL(address ?? 'http://none:0').port);
        if (digest !== null && port > 0) stopped.push({ service: service.name, instance, version, digest, port });
        // Before the stop: a death in between starts a copy that still runs, which is finding it.
        await writeJson(this.noteFile, stopped);
        const { outcome, why } = await runtime.stop(instance, { graceMs: service.policy.steps.stopGraceMs });
        log.info({ instance, outcome, why }, 'serving process');
      }
    }
  }

  private async startAgain(service: ServiceConfiguration, copy: Copy): Promise<void> {
    const { configuration, environment, log } = this.options;
    const { instance, version, digest, port } = copy;
    const store = await openDirectoryStore({ directory: configuration.artifactDirectory });
    const artifact = await store.materialise(service.name, version);
    if (artifact.digest !== digest) throw new Error(`${version} is ${artifact.digest} now, ${digest} served before`);
    const engine = engineFor(service);
    const runtime = await openRuntime(configuration, atPort(service, port), engine, environment);
    const request = { service: service.name, version, instance, artifact: artifact.directory, digest };
    const { address } = await runtime.start(request, AbortSignal.timeout(startLimitMs));
    if (Number(new URL(address ?? 'http://none:0').port) !== port) {
      log.warn({ instance, address, port }, 'runs at another port: name {port} in serving.command to have it kept');
    }
    const deadline = performance.now() + startLimitMs;
    while (address !== null && performance.now() < deadline) {
      if ((await engine.ready(address, service.model, { timeoutMs: 1_000 })).ready) return;
      await pause(50);
    }
  }
}

const startLimitMs = 120_000;

/** The same service with the port of its command fixed; only a server that also reports its port can be told so. */
function atPort(service: ServiceConfiguration, port: number): ServiceConfiguration {
  const { serving } = service;
  if (serving.runtime !== 'process' || !serving.command.some((argument) => argument.includes('{report}')))
    return service;
  const command = serving.command.map((argument) => argument.replaceAll('{port}', String(port)));
  return { ...service, serving: { ...serving, command } };
}
