import { join, resolve } from 'node:path';
import type { TritonServing } from './configuration';
import type { Contradiction } from './cross-checks';
import type { TritonText } from './triton-schema';

/** `serving` of a service whose versions are those of a model in a Triton, with absolute paths. */
export function resolveTriton(
  text: TritonText,
  around: { readonly here: string; readonly dataDir: string; readonly service: string },
): TritonServing {
  return {
    address: text.address,
    metricsPort: text.metricsPort ?? null,
    repository: resolve(around.here, text.repository),
    subdirectory: text.subdirectory ?? '',
    loadLimitMs: text.loadLimit,
    directory: join(around.dataDir, 'serving', around.service),
  };
}

/** What no single value shows. Paths begin at the service. */
export function checkTriton(model: string): Contradiction[] {
  // It is the name of a directory, and part of a path of every request.
  if (/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(model)) return [];
  const problem = `found ${JSON.stringify(model)}, expected with runtime triton the name of a directory in the model repository: letters, digits, . _ -`;
  return [{ path: ['model'], problem }];
}

/** One model has one service: its versions in force are one list in one file. */
export function sharedModels(
  services: Readonly<Record<string, { readonly model: string; readonly serving: { readonly runtime: string } }>>,
): Contradiction[] {
  const taken = new Map<string, string>();
  return Object.entries(services).flatMap(([name, { model, serving }]) => {
    if (serving.runtime !== 'triton') return [];
    const { repository } = serving as unknown as TritonText;
    const key = JSON.stringify([resolve('/', repository), model]);
    const first = taken.get(key);
    taken.set(key, first ?? name);
    if (first === undefined) return [];
    const problem = `found the model ${model} of ${repository}, which ${first} has already: which of its versions are in force is one list`;
    return [{ path: ['services', name, 'serving'], problem }];
  });
}
