import type { EvidenceStore } from '../../../activities/ports';

/** In-memory evidence, by `<service> <incident> <digest>`. */
export class FakeEvidence implements EvidenceStore {
  readonly kept = new Map<string, string>();

  async keep(service: string, incident: string, digest: string, content: string): Promise<void> {
    await Promise.resolve(this.kept.set(`${service} ${incident} ${digest}`, content));
  }

  async read(service: string, incident: string, digest: string): Promise<string | null> {
    return Promise.resolve(this.kept.get(`${service} ${incident} ${digest}`) ?? null);
  }
}
