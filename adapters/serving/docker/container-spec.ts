import { createHash } from 'node:crypto';
import type Docker from 'dockerode';
import { labelsOf, type OwnLabels } from './labels';
import { filled, type DockerTemplate } from './template';

/** What a container may write of its log before the oldest half goes: two files of 8 MiB. */
const LOG = { Type: 'json-file', Config: { 'max-size': '8m', 'max-file': '2' } };

export interface ContainerWish {
  readonly template: DockerTemplate;
  readonly owner: string;
  readonly labels: OwnLabels;
  /** Directory of the engine's host; null where the copy needs none. */
  readonly artifact: string | null;
  /** Port of the engine's host at which it must answer; null: any. */
  readonly hostPort: number | null;
  /** Address of the engine's host at which the port is published. */
  readonly publishAt: string;
}

/**
 * The same name for every attempt to start an instance, so that of two attempts only one can create it; no two installations
 * have the same. It is for people and for this conflict, and identifies nothing.
 */
export function containerName(owner: string, instance: string): string {
  const readable = instance.replace(/[^A-Za-z0-9_.-]+/g, '_').slice(0, 80);
  return `lastgood-${readable}-${createHash('sha256').update(`${owner}/${instance}`).digest('hex').slice(0, 10)}`;
}

export function containerSpec(wish: ContainerWish): Docker.ContainerCreateOptions {
  const { template, labels, artifact, hostPort, publishAt } = wish;
  const inside = template.port ?? labels.port ?? 0;
  // By its digest, the path itself says what a server loaded from it.
  const artifactPath = template.artifactPath.replaceAll('{digest}', labels.digest.replace(/^sha256:/, ''));
  const values = {
    artifact: artifactPath,
    port: String(inside),
    instance: labels.instance,
    digest: labels.digest,
  };
  const published = template.network === 'host' ? null : `${inside}/tcp`;
  const { entrypoint, user, memoryLimitBytes, sharedMemoryBytes, cpus } = template;
  return {
    name: containerName(wish.owner, labels.instance),
    Image: labels.image,
    ...(entrypoint === null ? {} : { Entrypoint: entrypoint.map((part) => filled(part, values)) }),
    ...(template.command.length === 0 ? {} : { Cmd: template.command.map((part) => filled(part, values)) }),
    Env: Object.entries(template.env).map(([name, text]) => `${name}=${filled(text, values)}`),
    Labels: labelsOf(wish.owner, labels),
    ...(user === null ? {} : { User: user }),
    ...(published === null ? {} : { ExposedPorts: { [published]: {} } }),
    HostConfig: {
      NetworkMode: template.network,
      ...(published === null
        ? {}
        : { PortBindings: { [published]: [{ HostIp: publishAt, HostPort: String(hostPort ?? '') }] } }),
      // As a mount, not as a bind: a directory that is not there is refused instead of made.
      Mounts: artifact === null ? [] : [artifactMount(artifact, artifactPath)],
      // Only lastgood starts copies: the engine must not bring back a version that was rolled back from.
      RestartPolicy: { Name: 'no' },
      LogConfig: LOG,
      Init: template.init,
      Privileged: false,
      CapDrop: ['ALL'],
      CapAdd: [...template.capabilities],
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: template.readOnlyRoot,
      Tmpfs: Object.fromEntries(template.tmpfs.map((path) => [path, ''])),
      // Equal to the memory: what is swapped out is too slow to serve, and would hide a leak.
      ...(memoryLimitBytes === null ? {} : { Memory: memoryLimitBytes, MemorySwap: memoryLimitBytes }),
      ...(sharedMemoryBytes === null ? {} : { ShmSize: sharedMemoryBytes }),
      ...(cpus === null ? {} : { NanoCpus: Math.round(cpus * 1e9) }),
      DeviceRequests: gpuRequests(template.gpus),
    },
  };
}

function artifactMount(source: string, target: string): Docker.MountSettings {
  return { Type: 'bind', Source: source, Target: target, ReadOnly: true };
}

function gpuRequests(gpus: DockerTemplate['gpus']): Docker.DeviceRequest[] {
  if (gpus === null) return [];
  const capabilities = { Driver: '', Capabilities: [['gpu']], Options: {} };
  if (gpus === 'all') return [{ ...capabilities, Count: -1 }];
  if (typeof gpus === 'number') return [{ ...capabilities, Count: gpus }];
  return [{ ...capabilities, DeviceIDs: [...gpus] }];
}
