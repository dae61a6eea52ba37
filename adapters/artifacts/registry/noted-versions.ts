import type { ArtifactStore } from '../../../activities/ports';
import { isForRegistry } from './notes-back';
import type { Registry } from './registry';

export interface NotedOptions {
  /** Null where the service has no registry, or nothing is written there. */
  readonly registryOf: (service: string) => Registry | null;
  readonly onFailed: (service: string, version: string, fault: unknown) => void;
  /** For the note at the registry; default 4 s, less than what a note is given. */
  readonly timeoutMs?: number;
}

/**
 * The artifact store, whose notes also go to the registry that a version came from. The note here is the one that counts;
 * one that does not reach the registry is told to `onFailed`, holds nothing up and fails nothing, and is tried again at
 * the next look.
 */
export function withRegistryNotes(store: ArtifactStore, options: NotedOptions): ArtifactStore {
  async function tell(service: string, version: string, text: string): Promise<void> {
    const registry = options.registryOf(service);
    if (registry === null) return;
    const signal = AbortSignal.timeout(options.timeoutMs ?? 4_000);
    const entry = (await registry.list(signal)).find((one) => one.version === version);
    if (entry !== undefined) await registry.note(entry, { standing: null, text }, signal);
  }

  return {
    list: (service) => store.list(service),
    get: (service, version) => store.get(service, version),
    verify: (service, version) => store.verify(service, version),
    materialise: (service, version) => store.materialise(service, version),
    probes: (service, version) => store.probes(service, version),
    async annotate(service, version, note) {
      await store.annotate(service, version, note);
      if (!isForRegistry(note.text)) return;
      await tell(service, version, note.text).catch((fault: unknown) => options.onFailed(service, version, fault));
    },
  };
}
