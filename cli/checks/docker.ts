import type { Configuration, DockerServing } from '../../workers/configuration/configuration';
import type { EngineFacts } from '../../workers/docker-facts';
import { sizeText } from '../render/artifacts';
import { fine, messageOf, unmeasured, warning, wrong, type Finding } from './finding';

const diskWarnBytes = 10 * 1024 ** 3;
const diskWrongBytes = 1024 ** 3;

/** Each Docker engine that the configuration names, and the images of each service there; nothing is changed. */
export async function checkDocker(configuration: Configuration): Promise<Finding[]> {
  const found: Promise<Finding[]>[] = [];
  const asked = new Set<string>();
  for (const { name, serving } of configuration.services) {
    if (serving.runtime !== 'docker') continue;
    const engine = JSON.stringify(serving.connection);
    found.push(askDockerOf(name, serving, { images: true, engine: !asked.has(engine) }));
    asked.add(engine);
  }
  return (await Promise.all(found)).flat();
}

/** Asks the engine of one service, once. */
export async function askDockerOf(
  service: string,
  serving: DockerServing,
  about: { readonly images: boolean; readonly engine: boolean },
): Promise<Finding[]> {
  const { askDocker, socketDoor } = await import('../../workers/docker-facts');
  const what = `${service}: Docker`;
  try {
    const facts = await askDocker(serving);
    return [
      ...(about.engine ? [...judgeEngine(what, facts, serving), ...judgeDoor(what, socketDoor(serving))] : []),
      ...(about.images ? facts.images.map((image) => judgeImage(`${service}: image`, image, facts.name)) : []),
    ];
  } catch (error) {
    return [wrong(what, messageOf(error), 'start the engine, or correct serving.docker')];
  }
}

/** There, or how it comes there. */
function judgeImage(
  what: string,
  { reference, there, comesBy }: EngineFacts['images'][number],
  engine: string,
): Finding {
  if (there) return fine(what, reference);
  const soon = `${reference} is not at ${engine}`;
  const early = 'bring it there now: a rollback must not wait for it';
  switch (comesBy) {
    case 'registry':
      return warning(what, `${soon} yet: the first start pulls it`, `docker pull ${reference} (${early})`);
    case 'archive':
      return warning(what, `${soon} yet: the first start loads its archive`, `docker load -i ARCHIVE (${early})`);
    case 'nothing':
      return wrong(
        what,
        `${soon}, and an image cannot be pulled by its id`,
        'docker load -i FILE there, name its archive, or name it NAME@sha256:… of a registry',
      );
  }
}

export function judgeEngine(
  what: string,
  facts: EngineFacts,
  { template }: Pick<DockerServing, 'template'>,
): Finding[] {
  const { name, version, liveRestore, rootless, limitsMemory, runtimes, dataRoot, freeBytes } = facts;
  const findings = [fine(what, `${name}, version ${version}${rootless ? ', rootless' : ''}`)];
  findings.push(
    liveRestore
      ? fine(`${what}: live-restore`, 'on: the copies go on while dockerd restarts')
      : warning(
          `${what}: live-restore`,
          'off: every copy stops when dockerd is restarted or updated',
          'set "live-restore": true in the engine\'s daemon.json and reload it (systemctl reload docker)',
        ),
  );
  if (template.memoryLimitBytes !== null && !limitsMemory)
    findings.push(
      wrong(
        `${what}: memory limit`,
        'the engine cannot limit memory, so serving.memoryLimit would have no effect',
        rootless
          ? 'a rootless engine needs cgroups v2 with delegated controllers'
          : 'start the kernel with the memory controller (cgroup_enable=memory)',
      ),
    );
  if (template.gpus !== null && !runtimes.includes('nvidia'))
    findings.push(
      unmeasured(
        `${what}: GPUs`,
        `serving.gpus is set; whether the engine has a driver for GPUs shows at the first start (runtimes: ${runtimes.join(', ')})`,
        "install the vendor's container toolkit on the engine's host",
      ),
    );
  if (freeBytes !== null) findings.push(judgeRoom(`${what}: disk`, freeBytes, dataRoot));
  return findings;
}

function judgeRoom(what: string, freeBytes: number, dataRoot: string): Finding {
  const said = `${sizeText(freeBytes)} free for images and containers (${dataRoot})`;
  const remedy = 'make room: docker system df shows what it holds, docker image prune removes unused images';
  if (freeBytes < diskWrongBytes) return wrong(what, said, remedy);
  return freeBytes < diskWarnBytes ? warning(what, said, remedy) : fine(what, said);
}

export function judgeDoor(what: string, door: 'owner' | 'group' | 'everybody' | null): Finding[] {
  if (door !== 'everybody') return [];
  return [
    wrong(
      `${what}: socket`,
      'every user of this machine may open it, and whoever does is root here',
      "chmod o-rw on the socket; the host worker's user belongs to its group (docs/security.md)",
    ),
  ];
}
