import type { Release } from './releases';

/** Where a bundle brings the program along, below the package's directory (`lastgood bundle`). */
export function bundledProgram(release: Release, platform: string): string {
  return `temporal/${release.program}-${platform}`;
}
