import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse, CliFailure } from '../failure';

export interface BundleInput {
  readonly out?: string;
  /** Separated by commas. */
  readonly platforms?: string;
}

/** `lastgood bundle`: one archive that installs and runs with the network cut. */
export async function bundle(context: Context, { out, platforms }: BundleInput): Promise<number> {
  const { bundlePlatforms } = await import('../../workers/bundle/packages');
  const { PackageMissing, writeBundle } = await import('../../workers/bundle/bundle');
  const { TemporalUnavailableError } = await import('../../workers/temporal/binary');
  const { readEnvironment } = await import('../../workers/environment');
  if (out === undefined) throw badUse('--out: the file to write is missing', 'lastgood bundle --out lastgood.tar');
  if (!existsSync(dirname(resolve(out)))) throw badUse(`--out ${out}: there is no directory ${dirname(resolve(out))}`);
  const asked = (platforms ?? `${process.platform}-${process.arch}`).split(',').map((name) => name.trim());
  const known = bundlePlatforms.filter((platform) => asked.includes(platform));
  const unknown = asked.filter((name) => !known.some((platform) => platform === name));
  if (unknown.length > 0)
    throw badUse(`--platforms: found "${unknown.join(', ')}", expected some of ${bundlePlatforms.join(', ')}`);
  try {
    const made = await writeBundle({ out, platforms: known, environment: readEnvironment() });
    if (context.json) {
      printJson(context.terminal, made);
      return exitCodes.ok;
    }
    printLines(context.terminal, [
      `${made.file}: lastgood ${made.id} for ${known.join(', ')}, ${mib(made.bytes)} MiB`,
      ...made.parts.map(
        ({ name, files, bytes, packedBytes }) =>
          `  ${name.padEnd(9)} ${mib(packedBytes).padStart(6)} MiB (installed ${mib(bytes)} MiB, ${files} files)`,
      ),
      `  largest packages, installed: ${made.largest.map(({ name, bytes }) => `${name} ${mib(bytes)}`).join(', ')}`,
      `SHA-256 ${made.sha256}, also in ${made.file}.sha256: give it to the site by another way`,
      `there: tar -xf FILE && ./lastgood-${made.id}/install.sh /opt/lastgood`,
    ]);
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof PackageMissing || error instanceof TemporalUnavailableError)
      throw new CliFailure(exitCodes.refused, error.message, 'do what it says and run the command again', {
        cause: error,
      });
    throw error;
  }
}

function mib(bytes: number): string {
  return (bytes / (1 << 20)).toFixed(1);
}
