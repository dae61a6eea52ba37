import { access, constants, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ServingRefused } from '../errors';
import { configPath, readModelConfig } from './model-config';
import { TritonServer } from './repository-api';

export interface TritonFacts {
  readonly name: string;
  readonly version: string;
  readonly problems: readonly { readonly problem: string; readonly remedy: string }[];
}

/**
 * What a Triton says of itself, and whether lastgood can work with it: it takes loads, and its repository is the one that
 * is written here. Changes nothing. Rejects where the server cannot be asked.
 */
export async function askTriton(about: {
  readonly address: string;
  readonly model: string;
  readonly repository: string;
}): Promise<TritonFacts> {
  const { address, model, repository } = about;
  const server = new TritonServer(address, model);
  const { name, version, extensions } = await server.facts();
  const problems: { problem: string; remedy: string }[] = [];
  const found = (problem: string, remedy: string): void => void problems.push({ problem, remedy });
  if (!extensions.includes('model_repository'))
    found(
      `it has no extension model_repository (it has: ${extensions.join(', ') || 'none'}), so it loads and unloads nothing`,
      'serve from a Triton, or use runtime external',
    );
  else {
    const takes = await server.takesLoads();
    if (!takes.ok) found(takes.why, 'start it with --model-control-mode=explicit');
    const listed = await server.models();
    const missing = (await modelsIn(repository)).filter((one) => !listed.includes(one));
    if (missing.length > 0)
      found(
        `its index does not list ${missing.slice(0, 5).join(', ')}, which ${repository} has: it is not the repository that it was started with, or the server may not read it`,
        'correct serving.repository, or --model-repository of the server',
      );
  }
  await readModelConfig(configPath(repository, model), model).catch((fault: unknown) => {
    if (!(fault instanceof ServingRefused)) throw fault;
    found(fault.message, 'lastgood writes only version_policy there');
  });
  await access(join(repository, model), constants.W_OK).catch((fault: unknown) =>
    found(
      `${join(repository, model)} cannot be written: ${fault instanceof Error ? fault.message : String(fault)}`,
      'give the user of lastgood the right to write there',
    ),
  );
  return { name, version, problems };
}

/** What a Triton with this repository lists. */
async function modelsIn(repository: string): Promise<string[]> {
  const entries = await readdir(repository, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
}
