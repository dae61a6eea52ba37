import { RegistryUnreachable } from './errors';
import type { Registry, RegistryVersion } from './registry';

/** For a list in as many answers as it takes: each of them has a limit of its own, which a slow registry never reaches. */
const LIST_MAX_MS = 60_000;

/** Every version, newest first. Rejects with {@link RegistryUnreachable} where the whole list takes longer. */
export async function listWithin(
  registry: Registry,
  signal: AbortSignal,
  maxMs: number = LIST_MAX_MS,
): Promise<RegistryVersion[]> {
  const limit = AbortSignal.timeout(maxMs);
  try {
    return await registry.list(AbortSignal.any([signal, limit]));
  } catch (fault) {
    if (!limit.aborted || signal.aborted) throw fault;
    throw new RegistryUnreachable(`${registry.where}: its versions were not listed within ${maxMs} ms`, {
      cause: fault,
    });
  }
}
