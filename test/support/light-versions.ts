import { artifactFiles, writeArtifact } from './artifact-directory';

/** A version that `light-model.js` serves. */
export interface LightVersion {
  readonly version: string;
  /** What it answers; its golden probe expects `spam`. */
  readonly label?: string;
  /** The process kills itself right after so many answers. */
  readonly dieAfterAnswers?: number;
  /** The process kills itself right after it said so many times what it serves: at its load, its probe, its shift. */
  readonly dieAfterLooks?: number;
  readonly loadMs?: number;
}

/** Writes the artifact of a light version and answers with its directory. */
export function writeLightVersion(directory: string, version: LightVersion): string {
  const light = { label: 'spam', ...version };
  const files = {
    ...artifactFiles(version.version),
    'light.json': { role: 'other', content: JSON.stringify(light) },
  };
  return writeArtifact(directory, { service: 'mail-triage', version: version.version, files });
}
