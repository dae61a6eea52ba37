import { statSync } from 'node:fs';
import { askEngine, type EngineFacts } from '../adapters/serving/docker/engine-facts';
import type { DockerServing } from './configuration/configuration';

export type { EngineFacts };

/** Asks one engine about itself and about the images of a service; changes nothing there. */
export function askDocker({ connection, template }: DockerServing): Promise<EngineFacts> {
  return askEngine(connection, template);
}

/** Who may open the socket besides its owner, which is the same as being root there; null for an engine elsewhere. */
export function socketDoor({ connection }: DockerServing): 'owner' | 'group' | 'everybody' | null {
  if (!('socket' in connection)) return null;
  const { mode } = statSync(connection.socket);
  if ((mode & 0o006) !== 0) return 'everybody';
  return (mode & 0o060) === 0 ? 'owner' : 'group';
}
