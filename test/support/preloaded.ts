import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Modules that `scripts/build.mjs` lets all workflows of a worker share; bundles of tests are made as the product's. */
export function preloadedModules(root = join(__dirname, '..', '..')): string[] {
  const rules = ['service', 'rollback'].flatMap((folder) => {
    const directory = join(root, 'domain', folder);
    return readdirSync(directory, { encoding: 'utf8' }).map((file) => join(directory, file));
  });
  return [join(root, 'workflows', 'preloaded.ts'), ...rules.sort()];
}
