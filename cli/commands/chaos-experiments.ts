import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageDirectory, distDirectory } from '../../workers/program';
import { badUse } from '../failure';
import type { readExperiment } from '../../workers/chaos/experiment-schema';

type Experiment = ReturnType<typeof readExperiment>;

/** Experiments that ship with lastgood, by name. */
export function shippedExperiments(): ReadonlyMap<string, string> {
  const places = [join(distDirectory(), 'experiments'), join(packageDirectory(), 'experiments')];
  const directory = places.find((place) => existsSync(place));
  if (directory === undefined) return new Map();
  const names = readdirSync(directory).filter((name) => name.endsWith('.yaml'));
  return new Map(names.sort().map((name) => [name.replace(/\.yaml$/, ''), join(directory, name)]));
}

/** A file that is there, else an experiment that ships. */
export function experimentFile(named: string): string {
  if (existsSync(named)) return named;
  return shippedExperiments().get(named) ?? named;
}

/** An experiment by its file or name; what is wrong with it is said with the verb that checks it, which is not `validate`. */
export async function experimentNamed(named: string, service: string | null): Promise<Experiment> {
  const file = experimentFile(named);
  if (!existsSync(file)) {
    const known = [...shippedExperiments().keys()].join(', ');
    throw badUse(
      `found no experiment "${named}": no such file, and none that ships (${known})`,
      'lastgood chaos list, or the path of a file',
    );
  }
  const { readExperiment: read } = await import('../../workers/chaos/experiment-schema');
  try {
    return read(file, service);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ConfigurationError') throw error;
    throw badUse(error.message, `correct it; lastgood chaos show ${named} checks it again`);
  }
}
