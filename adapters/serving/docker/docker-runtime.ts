import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { InstanceState, ServingRuntime, StartRequest } from '../../../activities/ports';
import { withFileLock } from '../../disk/file-lock';
import { InstanceFailed, ServingRefused } from '../errors';
import { DockerClient, type DockerConnection } from './client';
import { addressOf, containerState, tailOf, type StateSources } from './container-state';
import { Containers } from './containers';
import { Endings, type Ending } from './endings';
import { followEvents } from './events';
import { bringImage } from './image';
import { endOf, hasEnded, isUp } from './inspection';
import { belonging } from './labels';
import { Runs } from './runs';
import { checkDockerTemplate, imageOf, type DockerTemplate } from './template';

export interface DockerRuntimeOptions {
  readonly connection: DockerConnection;
  /** Its owner's id, locks, and the evidence of runs that ended. */
  readonly directory: string;
  readonly template: DockerTemplate;
  /** What the copy at an address says it has loaded; a failure counts as "says nothing". */
  readonly identify?: (address: string) => Promise<string | null>;
  /** Host at which published ports are reached; default 127.0.0.1. */
  readonly reachedAt?: string;
  /** Address of the engine's host at which ports are published; default 127.0.0.1. */
  readonly publishAt?: string;
  /** The artifact directory of this machine, and where the engine's host has it; default: at the same place. */
  readonly artifacts?: { readonly here: string; readonly there: string };
  /** From start to an address, without the time for the image; default 60 s. */
  readonly startTimeoutMs?: number;
  /** How long a start or a stop waits for an engine that is away; default 20 s. */
  readonly engineWaitMs?: number;
  /** Ended instances whose log is kept as evidence, by service; default 20. */
  readonly keepEnded?: number;
}

const POLL_MS = 25;
const LOCK_WAIT_MS = 120_000;
const TAIL_BYTES = 4_096;

/**
 * Serving runtime on the containers of one Docker engine. Containers are found by their labels and image, outlive the
 * process that started them, and go on through a restart of dockerd where that has `live-restore`. A container that is not
 * ours is reported and never touched. Opening it asks the engine nothing.
 */
export async function openDockerRuntime(options: DockerRuntimeOptions): Promise<ServingRuntime> {
  const { template } = options;
  checkDockerTemplate(template);
  const client = new DockerClient(options.connection);
  if (template.network === 'host' && !client.local)
    throw new ServingRefused(
      'network host needs an engine on this machine: which ports are free elsewhere is not known',
    );
  const root = resolve(options.directory);
  await mkdir(root, { recursive: true, mode: 0o700 });
  const endings = new Endings(root);
  const containers = new Containers(client, await endings.owner());
  const reachedAt = options.reachedAt ?? '127.0.0.1';
  const publishAt = options.publishAt ?? '127.0.0.1';
  const artifacts = options.artifacts ?? null;
  const states: StateSources = { containers, reachedAt, identify: options.identify };
  const runs = new Runs({ client, containers, endings, template, reachedAt, publishAt, artifacts });
  const keepEnded = options.keepEnded ?? 20;
  const engineWaitMs = options.engineWaitMs ?? 20_000;

  async function untilAddress({ instance }: StartRequest, id: string, signal: AbortSignal): Promise<InstanceState> {
    const timeoutMs = options.startTimeoutMs ?? 60_000;
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const seen = await containers.look(id);
      const whose = seen === null ? null : belonging(containers.owner, seen);
      if (seen === null || whose?.is !== 'ours')
        throw new InstanceFailed(`${instance}: its container was removed by somebody while it started`, '');
      const container = { labels: whose.labels, seen };
      if (hasEnded(seen)) {
        const tail = await tailOf(containers, container);
        throw new InstanceFailed(`${instance} ended (${endOf(seen)}) before it had an address`, tail);
      }
      if (isUp(seen) && (await addressOf(states, container)) !== null) {
        const state = await containerState(states, container);
        if (state.state === 'running') return state;
      }
      if (performance.now() > deadline) {
        const tail = await tailOf(containers, container);
        // A copy that nobody gets an address of would only hold memory.
        await containers.stop(id, 0);
        throw new InstanceFailed(`${instance} had no address within ${timeoutMs} ms and was stopped`, tail);
      }
      signal.throwIfAborted();
      await pause(POLL_MS);
    }
  }

  async function endOne(instance: string, graceMs: number): ReturnType<ServingRuntime['stop']> {
    const { own, foreign } = await containers.labelled('instance', instance);
    const [stranger] = foreign;
    if (own.length === 0 && stranger !== undefined)
      return { outcome: 'refused', why: `${stranger.what}: ${stranger.why}` };
    const began = performance.now();
    const up = own.filter(({ seen }) => !hasEnded(seen));
    let how = '';
    for (const container of up) {
      await containers.stop(container.seen.Id, graceMs);
      const seen = await containers.look(container.seen.Id);
      if (seen !== null && isUp(seen))
        throw new InstanceFailed(
          `${instance} survived its stop (${seen.State.Status})`,
          await tailOf(containers, container),
        );
      how = `${seen === null ? 'gone' : endOf(seen)}, ended after ${Math.round(performance.now() - began)} ms`;
      if (seen !== null) await runs.clearAway({ ...container, seen });
    }
    for (const container of own) if (!up.includes(container)) await runs.clearAway(container);
    if (up.length > 0) return { outcome: 'stopped', why: how };
    const ended = own.length > 0 || (await endings.newest(instance)) !== null;
    return { outcome: 'absent', why: ended ? 'it had ended before' : 'nothing was started under this name' };
  }

  async function endedState(ending: Ending): Promise<InstanceState> {
    const { instance, version, startedAt, exit } = ending;
    const logTail = await endings.logTail(ending, TAIL_BYTES);
    const base = { instance, version, startedAt, address: null, digest: null, memoryBytes: null };
    return { ...base, state: 'exited', exit: { ...exit, logTail } };
  }

  return {
    kind: 'docker',
    async start(request, signal, progress = () => undefined) {
      signal.throwIfAborted();
      const wanted = imageOf(template, request.version);
      const { registryAuthFile } = template;
      return client.patiently(engineWaitMs, signal, async () => {
        // Before the lock: a stop must not wait for a registry.
        const image = await bringImage(client, wanted, { signal, progress, registryAuthFile });
        const lock = endings.lock(request.instance);
        const id = await withFileLock(lock, LOCK_WAIT_MS, () => runs.ensure(request, image, signal));
        await endings.prune(request.service, keepEnded);
        return untilAddress(request, id, signal);
      });
    },
    async inspect(service) {
      const [{ own, foreign }, kept] = await Promise.all([containers.labelled('service', service), endings.all()]);
      // The newest container of an instance speaks for it.
      const newest = new Map(own.map((container) => [container.labels.instance, container]));
      const ended = kept.endings.filter((ending) => ending.service === service && !newest.has(ending.instance));
      const instances = await Promise.all([
        ...ended.map(endedState),
        ...[...newest.values()].map((container) => containerState(states, container)),
      ]);
      return { instances, foreign: [...foreign, ...kept.unreadable] };
    },
    async stop(instance, { graceMs }) {
      return client.patiently(engineWaitMs, undefined, () =>
        withFileLock(endings.lock(instance), LOCK_WAIT_MS, () => endOne(instance, graceMs)),
      );
    },
    async logs(instance, limitBytes) {
      const container = (await containers.labelled('instance', instance)).own.at(-1);
      if (container !== undefined)
        return (await containers.log(container.seen, 'all')).subarray(-limitBytes).toString('utf8');
      const ending = await endings.newest(instance);
      return ending === null ? '' : endings.logTail(ending, limitBytes);
    },
    events: (service, signal) => followEvents({ client, containers, service, signal }),
  };
}
