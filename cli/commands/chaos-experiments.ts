import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageDirectory, distDirectory } from '../../workers/program';

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
