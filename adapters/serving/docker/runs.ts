import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { StartRequest } from '../../../activities/ports';
import { DockerDiskFull, DockerFault, DockerRefused, ServingRefused } from '../errors';
import { pathThere, type SharedDirectory } from '../path-there';
import { freePort, listens } from '../process-launch';
import { isStatus, type DockerClient } from './client';
import { containerName, containerSpec } from './container-spec';
import { startOf } from './container-state';
import { nameOf, type Containers, type OwnContainer } from './containers';
import type { Endings } from './endings';
import { endOf, hasEnded, isUp, momentOf } from './inspection';
import { belonging, type OwnLabels } from './labels';
import type { DockerTemplate } from './template';

export interface RunSources {
  readonly client: DockerClient;
  readonly containers: Containers;
  readonly endings: Endings;
  readonly template: DockerTemplate;
  readonly reachedAt: string;
  readonly publishAt: string;
  readonly artifacts: SharedDirectory | null;
}

const CONFLICTS_MAX = 50;
const CONFLICT_WAIT_MS = 100;

/** Makes containers and clears them away. Everything here may be done twice; the caller holds the instance's lock. */
export class Runs {
  constructor(private readonly sources: RunSources) {}

  /** Resolves to the id of the container that is up for this instance; starts one where there is none. */
  async ensure(request: StartRequest, image: string, signal: AbortSignal): Promise<string> {
    for (let conflicts = 0; ; conflicts += 1) {
      const known = await this.find(request.instance);
      if (known !== null && !hasEnded(known.seen)) return await this.adopt(known, request, image, signal);
      if (known !== null) await this.clearAway(known);
      const made = await this.create(request, image);
      if ('id' in made) return await this.startCreated(made.id, request.instance, signal);
      if (conflicts >= CONFLICTS_MAX) throw made.conflict;
      // Another attempt holds the name before its container can be looked at.
      await pause(CONFLICT_WAIT_MS, undefined, { signal });
    }
  }

  /** The evidence first, then the container: after a death in between it is done again. */
  async clearAway(container: OwnContainer): Promise<void> {
    const { containers, endings } = this.sources;
    const { labels, seen } = container;
    const { service, version, instance, digest, image, nonce } = labels;
    const ran = momentOf(seen.State.StartedAt) !== null;
    const startedAt = startOf(container);
    const exit = { at: momentOf(seen.State.FinishedAt) ?? startedAt, code: ran ? endOf(seen) : 'never started' };
    const base = { schema: 1 as const, service, version, instance, digest, image, nonce };
    const log = await containers.log(seen, 'all');
    await endings.keep({ ...base, container: seen.Id, startedAt, exit }, log);
    await containers.remove(seen.Id);
  }

  private async find(instance: string): Promise<OwnContainer | null> {
    const { own, foreign } = await this.sources.containers.labelled('instance', instance);
    const [stranger] = foreign;
    if (own.length === 0 && stranger !== undefined)
      throw new ServingRefused(`${instance}: ${stranger.what} carries its label: ${stranger.why}`);
    return own.find(({ seen }) => !hasEnded(seen)) ?? own.at(-1) ?? null;
  }

  /** Also the one that was created by somebody who died before starting it. */
  private async adopt(known: OwnContainer, request: StartRequest, image: string, signal: AbortSignal): Promise<string> {
    const { labels, seen } = known;
    if (labels.digest !== request.digest)
      throw new ServingRefused(`${request.instance} runs with ${labels.digest}, not with ${request.digest}`);
    if (labels.image !== image)
      throw new ServingRefused(`${request.instance} runs with the image ${labels.image}, not with ${image}`);
    if (seen.State.Status === 'created') await this.startOrRemove(seen.Id, signal);
    return seen.Id;
  }

  private async create(
    request: StartRequest,
    image: string,
  ): Promise<{ readonly id: string } | { readonly conflict: DockerRefused }> {
    const { client, containers, template, publishAt, reachedAt } = this.sources;
    const { service, version, instance, digest, port: wanted } = request;
    if (wanted !== undefined && (await listens(wanted, reachedAt)))
      throw new ServingRefused(`${instance}: somebody else listens at port ${wanted}`);
    const port = template.network === 'host' ? (wanted ?? (await freePort())) : null;
    const nonce = randomBytes(16).toString('hex');
    const labels: OwnLabels = { service, version, instance, digest, image, nonce, port };
    const artifact = this.artifactAt(request.artifact);
    const hostPort = port === null ? (wanted ?? null) : null;
    const spec = containerSpec({ template, owner: containers.owner, labels, artifact, hostPort, publishAt });
    try {
      const { id } = await client.call(
        `create a container for ${instance}`,
        (docker, abortSignal) => docker.createContainer({ ...spec, abortSignal }),
        { limitMs: 60_000 },
      );
      return { id };
    } catch (fault) {
      if (!(fault instanceof DockerRefused) || !isStatus(fault, 409)) throw fault;
      await this.refuseStranger(instance, fault);
      return { conflict: fault };
    }
  }

  /** The name is in use: by an attempt of ours, then there is a container to adopt; or by a container that is not ours. */
  private async refuseStranger(instance: string, conflict: DockerRefused): Promise<void> {
    const { containers } = this.sources;
    const seen = await containers.look(containerName(containers.owner, instance));
    if (seen === null) return;
    const whose = belonging(containers.owner, seen);
    if (whose.is === 'ours' && whose.labels.instance === instance) return;
    const why = whose.is === 'foreign' ? whose.why : `it is ${whose.labels.instance}`;
    throw new ServingRefused(
      `${instance}: ${nameOf(seen)} has the name that its container needs: ${why}. Rename it (docker rename) or remove it`,
      { cause: conflict },
    );
  }

  private async startCreated(id: string, instance: string, signal: AbortSignal): Promise<string> {
    const { containers } = this.sources;
    const seen = await containers.look(id);
    if (seen === null) throw new DockerFault(`${instance}: its container is gone right after it was created`);
    await this.startOrRemove(id, signal);
    return id;
  }

  /** A container that the engine cannot start would only hold disk and name. */
  private async startOrRemove(id: string, signal: AbortSignal): Promise<void> {
    const { containers } = this.sources;
    try {
      await containers.start(id, signal);
    } catch (fault) {
      if (fault instanceof DockerRefused || fault instanceof DockerFault || fault instanceof DockerDiskFull) {
        const now = await containers.look(id);
        if (now !== null && !isUp(now)) await containers.remove(id);
      }
      throw fault;
    }
  }

  private artifactAt(directory: string | null): string | null {
    return directory === null ? null : pathThere(directory, this.sources.artifacts, "the engine's host");
  }
}
