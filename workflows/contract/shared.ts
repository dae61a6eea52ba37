const kept = new Map<string, unknown>();

/**
 * What every workflow of a worker may have in common, made once: schemas, which are large and never change. A worker loads
 * this module before its workflows (`workflows/preloaded.ts`), and each workflow all the others anew: without it a
 * thousand services would hold a thousand copies of the same schemas. Nothing of a workflow's own may be in it, so
 * `make` reads nothing but its module.
 */
export function shared<T>(name: string, make: () => T): T {
  if (!kept.has(name)) kept.set(name, make());
  return kept.get(name) as T;
}
