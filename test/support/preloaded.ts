import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Modules that `scripts/build.mjs` lets all workflows of a worker share; bundles of tests are made as the product's. */
export function preloadedModules(root = join(__dirname, '..', '..')): string[] {
  const rules = readdirSync(join(root, 'domain'), { recursive: true, encoding: 'utf8' });
  const shared = rules.filter((file) => file.endsWith('.ts')).map((file) => join(root, 'domain', file));
  return [join(root, 'workflows', 'preloaded.ts'), ...shared.sort()];
}
