import { resolve } from 'node:path';
import type { DockerConnection } from '../../adapters/serving/docker/client';
import { templateProblems, type DockerImage } from '../../adapters/serving/docker/template';
import type { DockerServing } from './configuration';
import type { Contradiction } from './cross-checks';
import type { DockerText } from './docker-schema';
import { isLoopback } from './fields';

const usualSocket = '/var/run/docker.sock';

/** `serving` of a service whose versions are containers, with absolute paths and every default. */
export function resolveDocker(text: DockerText, here: string): DockerServing {
  const { docker } = text;
  const absolute = (path: string): string => resolve(here, path);
  const imageOf = (image: DockerText['image']): DockerImage =>
    typeof image === 'string'
      ? { reference: image, archive: null }
      : { reference: image.id, archive: absolute(image.archive) };
  return {
    connection: connectionOf(docker, absolute),
    reachedAt: docker.reachedAt ?? docker.host ?? '127.0.0.1',
    publishAt: docker.publishAt ?? '127.0.0.1',
    artifactsThere: docker.artifacts ?? null,
    startLimitMs: text.startLimit,
    template: {
      image: imageOf(text.image),
      images: Object.fromEntries(Object.entries(text.images).map(([version, image]) => [version, imageOf(image)])),
      entrypoint: text.entrypoint ?? null,
      command: text.command,
      env: text.env,
      user: text.user ?? null,
      network: text.network,
      port: text.port ?? null,
      artifactPath: text.artifactPath,
      memoryLimitBytes: text.memoryLimit ?? null,
      sharedMemoryBytes: text.sharedMemory ?? null,
      cpus: text.cpus ?? null,
      gpus: text.gpus ?? null,
      capabilities: text.capabilities,
      readOnlyRoot: text.readOnlyRoot,
      tmpfs: text.tmpfs,
      init: text.init,
      registryAuthFile: text.registryAuthFile === undefined ? null : absolute(text.registryAuthFile),
    },
  };
}

function connectionOf(docker: DockerText['docker'], absolute: (path: string) => string): DockerConnection {
  const { host, port, tls, socket } = docker;
  if (host === undefined || tls === undefined) return { socket: absolute(socket ?? usualSocket) };
  const { caFile, certFile, keyFile } = tls;
  return { host, port, tls: { caFile: absolute(caFile), certFile: absolute(certFile), keyFile: absolute(keyFile) } };
}

/** What no single value shows. Paths begin at the service. */
export function checkDocker(text: DockerText): Contradiction[] {
  const found: Contradiction[] = [];
  const at = (path: readonly string[], problem: string): void =>
    void found.push({ path: ['serving', ...path], problem });
  const { socket, host, tls, publishAt, reachedAt } = text.docker;
  if (socket !== undefined && host !== undefined)
    at(['docker'], 'found socket and host, expected one of them: there is one engine');
  if (host !== undefined && tls === undefined)
    at(
      ['docker', 'host'],
      'found no tls (caFile, certFile, keyFile) beside it: whoever reaches an engine without TLS owns its host, so that is refused',
    );
  if (host === undefined && tls !== undefined) at(['docker', 'tls'], 'found without host; a socket has no TLS');
  if (host !== undefined && text.network === 'host')
    at(['network'], 'found host with a remote engine: which of its ports are free is not known here; expected bridge');
  if (host !== undefined && publishAt === undefined)
    at(
      ['docker', 'publishAt'],
      "is missing, expected the address of the engine's host at which this machine reaches the copies; copies have no TLS, so one of a private network",
    );
  if (host === undefined && publishAt !== undefined && !isLoopback(publishAt))
    at(
      ['docker', 'publishAt'],
      `found ${publishAt}, which is not loopback: others could ask a copy past the gateway, expected 127.0.0.1`,
    );
  if (host === undefined && reachedAt !== undefined && publishAt === undefined)
    at(['docker', 'reachedAt'], 'found without publishAt: ports are published at 127.0.0.1');
  if (publishAt === '0.0.0.0' || publishAt === '::')
    at(['docker', 'publishAt'], "found every address of the engine's host, expected the one of a private network");
  const template = { ...text, entrypoint: text.entrypoint ?? null, port: text.port ?? null };
  for (const { place, problem } of templateProblems(template)) at(place.split('.'), problem);
  return found;
}
