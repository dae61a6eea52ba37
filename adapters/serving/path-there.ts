import { isAbsolute, join, relative, resolve } from 'node:path';
import { ServingRefused } from './errors';

/** A directory of this machine, and where another one (a container's host, a server) has the same directory. */
export interface SharedDirectory {
  readonly here: string;
  readonly there: string;
}

/** Where the other one has `directory`; the same path where nothing is shared under another name. */
export function pathThere(directory: string, shared: SharedDirectory | null, whose: string): string {
  if (shared === null) return directory;
  const inside = relative(resolve(shared.here), resolve(directory));
  if (inside.startsWith('..') || isAbsolute(inside))
    throw new ServingRefused(`${directory} is not below ${shared.here}, so where ${whose} has it is not known`);
  return join(shared.there, inside);
}
