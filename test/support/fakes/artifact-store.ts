import type { ArtifactStore, GoldenProbe } from '../../../activities/ports';
import type { ArtifactProblem, VersionInfo } from '../../../domain/version';

export interface FakeVersion {
  readonly service: string;
  readonly info: VersionInfo;
  readonly probes: GoldenProbe[];
  problems: ArtifactProblem[];
}

/** In-memory artifact store: knows what was put into it, and throws on everything else. */
export class FakeArtifactStore implements ArtifactStore {
  readonly versions: FakeVersion[] = [];
  readonly annotations: { service: string; version: string; at: number; text: string }[] = [];

  put(service: string, info: VersionInfo, probes: GoldenProbe[] = []): void {
    this.versions.push({ service, info, probes, problems: [] });
  }

  /** From now on the version is found damaged. */
  damage(service: string, version: string, problem: ArtifactProblem): void {
    this.need(service, version).problems.push(problem);
  }

  list(service: string): Promise<VersionInfo[]> {
    const intact = this.versions.filter((entry) => entry.service === service && entry.problems.length === 0);
    return Promise.resolve(intact.map((entry) => entry.info));
  }

  get(service: string, version: string): Promise<VersionInfo | null> {
    return Promise.resolve(this.find(service, version)?.info ?? null);
  }

  async verify(service: string, version: string): Promise<ArtifactProblem[]> {
    return Promise.resolve(this.need(service, version).problems);
  }

  async materialise(service: string, version: string): Promise<{ directory: string; digest: string }> {
    const { info, problems } = this.need(service, version);
    if (problems.length > 0) throw new Error(`${service}@${version} is corrupt: ${problems[0]?.path ?? ''}`);
    return Promise.resolve({ directory: `/artifacts/${info.digest}`, digest: info.digest });
  }

  async probes(service: string, version: string): Promise<GoldenProbe[]> {
    return Promise.resolve(this.need(service, version).probes);
  }

  async annotate(service: string, version: string, note: { at: number; text: string }): Promise<void> {
    this.need(service, version);
    const same = this.annotations.some(
      (known) =>
        known.service === service && known.version === version && known.at === note.at && known.text === note.text,
    );
    if (!same) this.annotations.push({ service, version, ...note });
    return Promise.resolve();
  }

  private find(service: string, version: string): FakeVersion | undefined {
    return this.versions.find((entry) => entry.service === service && entry.info.version === version);
  }

  private need(service: string, version: string): FakeVersion {
    const found = this.find(service, version);
    if (!found) throw new Error(`${service}@${version} is not in the artifact store`);
    return found;
  }
}
