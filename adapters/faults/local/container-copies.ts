import type Docker from 'dockerode';
import { DockerClient, isStatus, type DockerConnection } from '../../serving/docker/client';
import { Containers, type OwnContainer } from '../../serving/docker/containers';
import { Endings } from '../../serving/docker/endings';
import { isUp } from '../../serving/docker/inspection';
import type { CopyControl, ServingCopy } from './serving-copies';

type ContainerCopy = Extract<ServingCopy, { how: 'container' }>;

/** Copies that are containers: ours by owner, labels and image, and still the same run, looked at before each act. */
export async function containerCopies(options: {
  readonly connection: DockerConnection;
  /** Of the Docker runtime of the service: it holds the owner's id. */
  readonly directory: string;
}): Promise<CopyControl> {
  const client = new DockerClient(options.connection);
  const containers = new Containers(client, await new Endings(options.directory).owner());

  async function look(copy: ServingCopy): Promise<OwnContainer | null> {
    const { instance, id, startedAt, nonce } = own(copy);
    const { own: found } = await containers.labelled('instance', instance);
    const same = found.find(({ seen }) => seen.Id === id && seen.State.StartedAt === startedAt);
    return same !== undefined && same.labels.nonce === nonce && isUp(same.seen) ? same : null;
  }

  async function isFrozen(copy: ServingCopy): Promise<boolean> {
    return (await look(copy))?.seen.State.Status === 'paused';
  }

  async function act(
    copy: ServingCopy,
    what: string,
    ask: (container: Docker.Container, abortSignal: AbortSignal) => Promise<unknown>,
  ): Promise<void> {
    const found = await look(copy);
    if (found === null) return;
    await client
      .call(`${what} ${copy.instance}`, async (docker, abortSignal) => {
        await ask(docker.getContainer(found.seen.Id), abortSignal);
      })
      // 409: it is in that state already, or ended meanwhile; what holds is looked at afterwards.
      .catch((fault: unknown) => {
        if (!isStatus(fault, 404) && !isStatus(fault, 409)) throw fault;
      });
  }

  return {
    async find(service, version) {
      const { own: found } = await containers.labelled('service', service);
      return found
        .filter(({ labels, seen }) => labels.version === version && isUp(seen))
        .map(({ labels, seen }) => {
          const { instance, nonce } = labels;
          return { how: 'container' as const, instance, id: seen.Id, startedAt: seen.State.StartedAt, nonce };
        });
    },
    kill: (copy) => act(copy, 'kill', (container, abortSignal) => container.kill({ signal: 'SIGKILL', abortSignal })),
    isGone: async (copy) => (await look(copy)) === null,
    // An engine answers 500, a fault of its own, to a pause of what is paused and to the end of a pause of what is not.
    async freeze(copy) {
      if (!(await isFrozen(copy)))
        await act(copy, 'pause', (container, abortSignal) => container.pause({ abortSignal }));
    },
    async thaw(copy) {
      if (await isFrozen(copy))
        await act(copy, 'unpause', (container, abortSignal) => container.unpause({ abortSignal }));
    },
    isFrozen,
  };
}

function own(copy: ServingCopy): ContainerCopy {
  if (copy.how !== 'container') throw new TypeError(`${copy.instance} is no container`);
  return copy;
}
