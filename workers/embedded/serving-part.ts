import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { z } from 'zod';
import { engineOn } from '../../activities/engine-on';
import { lookAt } from '../../activities/golden-probes';
import { describeProblem } from '../../adapters/artifacts/errors';
import { openArtifactStore } from '../artifact-store';
import { engineFor, openRuntime } from '../composition';
import type { Configuration, ServiceConfiguration } from '../configuration/configuration';
import type { Environment } from '../environment';
import { readJson, writeJson } from '../files';
import type { Part } from './part';
import type { RunPaths } from './paths';
import { routedCopies, type Copy } from './routed-copies';

const copySchema: z.ZodType<Copy> = z.object({
  service: z.string(),
  instance: z.string(),
  version: z.string(),
  digest: z.string(),
  port: z.int(),
});

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
 * and notes them. At the next start it starts those copies again, and those that a route in force names and that have
 * died meanwhile (with the machine, or while no supervisor ran), under the same names and at the same addresses, so that
 * the route that the gateway still has is true again before anybody decides. A copy that cannot have its address is left
 * to the decider: another address needs a new epoch, and only the service hands those out.
 */
export class ServingPart implements Part {
  readonly name = 'serving';
  private readonly noteFile: string;

  constructor(private readonly options: ServingPartOptions) {
    this.noteFile = join(options.paths.runDir, 'serving-copies.json');
  }

  async ensure(signal: AbortSignal): Promise<'adopted' | 'started'> {
    const { configuration, paths, log } = this.options;
    const noted = (await readJson(this.noteFile, z.array(copySchema))) ?? [];
    const routed = await routedCopies(configuration, paths, log);
    const wanted = [...routed, ...noted].filter(
      (copy, index, all) => all.findIndex(({ instance }) => instance === copy.instance) === index,
    );
    let started = 0;
    for (const copy of wanted) {
      const service = configuration.services.find(({ name }) => name === copy.service);
      if (service === undefined) continue;
      try {
        if (await this.startAgain(service, copy, signal)) started += 1;
      } catch (error) {
        // The others are of use all the same; a dead live version is what the decider and the operator are for.
        log.error({ ...copy, err: error }, 'a copy that served before does not start again');
      }
    }
    await rm(this.noteFile, { force: true });
    return started === 0 ? 'adopted' : 'started';
  }

  isAlive(): Promise<boolean> {
    return Promise.resolve(true);
  }

  /** After gateway and host worker have ended: nobody sends a request there, and nobody starts another copy. */
  async stop(): Promise<void> {
    if (this.options.keep.serving) return;
    const { configuration, log } = this.options;
    const stopped: Copy[] = [];
    for (const service of configuration.services) {
      // A Triton is not ours to end, and the route names its versions by their numbers: they stay loaded.
      if (service.serving.runtime === 'external' || service.serving.runtime === 'triton') continue;
      try {
        await this.stopCopies(service, stopped);
      } catch (error) {
        // An engine that does not answer keeps its copies; those of the other services are ended all the same.
        log.error({ service: service.name, err: error }, 'its copies could not be stopped');
      }
    }
  }

  /** Notes each copy in `stopped` before it is ended. */
  private async stopCopies(service: ServiceConfiguration, stopped: Copy[]): Promise<void> {
    const { configuration, environment, log } = this.options;
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
      log.info({ instance, outcome, why }, 'serving copy');
    }
  }

  /** Verified as at a load: every file, readiness, and what the copy says it has loaded. False for one that runs. */
  private async startAgain(service: ServiceConfiguration, copy: Copy, giveUp: AbortSignal): Promise<boolean> {
    const { configuration, environment, log } = this.options;
    const { instance, version, digest, port } = copy;
    const { serving } = service;
    if (serving.runtime === 'external' || serving.runtime === 'triton') return false;
    const engine = engineFor(service);
    const runtime = await openRuntime(configuration, service, engine, environment);
    const { instances, foreign } = await runtime.inspect(service.name);
    const found = instances.find((one) => one.instance === instance);
    if (found !== undefined && found.state !== 'exited') return false;
    for (const { what, why } of foreign) log.warn({ what, why }, 'not ours, left alone');
    const store = await openArtifactStore(configuration);
    const artifact = await store.materialise(service.name, version);
    if (artifact.digest !== digest) throw new Error(`${version} is ${artifact.digest} now, ${digest} served before`);
    const signal = AbortSignal.any([giveUp, AbortSignal.timeout(serving.startLimitMs)]);
    const request = { service: service.name, version, instance, artifact: artifact.directory, digest, port };
    const started = await runtime.start(request, signal);
    const { address } = started;
    if (address === null) throw new Error(`${instance} reported no address`);
    const asked = { engine: engineOn(engine, started), address, model: service.model, timeoutMs: 1_000 };
    let seen = await lookAt(asked, { digest, version });
    while (!seen.ok && !signal.aborted) {
      await pause(50);
      seen = await lookAt(asked, { digest, version });
    }
    const problems = seen.ok ? await store.recheck(service.name, version) : [];
    if (problems.length > 0)
      seen = { ok: false, why: `changed while it loaded: ${problems.map(describeProblem).join('; ')}` };
    if (!seen.ok) {
      // It holds the address that the route names; what is not what the route says must not get its requests.
      await runtime.stop(instance, { graceMs: service.policy.steps.stopGraceMs });
      throw new Error(`${instance} did not become ready: ${seen.why}`);
    }
    log.info({ instance, address, was: found?.exit?.code ?? 'not there' }, 'a copy that served before runs again');
    return true;
  }
}
