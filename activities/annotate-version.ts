import type { ControlActivities } from '../workflows/contract/activities';
import type { ArtifactStore } from './ports';

/** A note for people beside the artifact; idempotent by its content. */
export function annotateVersion({ artifacts }: { artifacts: ArtifactStore }): ControlActivities['annotateVersion'] {
  return async ({ service, version, at, text }) => {
    await artifacts.annotate(service, version, { at, text });
  };
}
