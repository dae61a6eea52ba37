import { resolve } from 'node:path';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse } from '../failure';
import { renderManifest } from '../render/artifacts';
import { shellWord } from '../render/words';
import { refusing } from './store';

export interface ManifestInput {
  readonly directory: string;
  readonly service?: string;
  readonly version?: string;
  readonly model?: string;
  readonly engine: string;
  readonly preprocessing: string;
  /** `path=role`, as typed. */
  readonly roles: readonly string[];
  readonly dryRun: boolean;
  readonly force: boolean;
}

/** Writes `manifest.json` into a directory; needs neither a configuration nor a controller. */
export async function manifest(context: Context, input: ManifestInput): Promise<number> {
  const { directory, dryRun, force, engine, preprocessing } = input;
  const named = { service: input.service, version: input.version, model: input.model };
  const missing = Object.entries(named).find(([, value]) => value === undefined)?.[0];
  const typed = `lastgood artifacts manifest ${shellWord(directory)}`;
  if (missing !== undefined)
    throw badUse(`--${missing} is missing`, `${typed} --service SERVICE --version VERSION --model MODEL`);
  const { codeFormats, isRole, roleNames, writeManifest } = await import('../../workers/composition');
  const roles = new Map(
    input.roles.map((text) => {
      const at = text.lastIndexOf('=');
      const [path, role] = [text.slice(0, Math.max(0, at)), text.slice(at + 1)];
      if (path === '' || !isRole(role))
        throw badUse(`--role: found "${text}", expected PATH=ROLE with one of ${roleNames.join(', ')}`);
      return [path, role] as const;
    }),
  );
  const { service = '', version = '', model = '' } = named;
  const written = await refusing(() =>
    writeManifest(resolve(directory), {
      service,
      version,
      model,
      engine,
      preprocessing,
      roles,
      dryRun,
      force,
      allowed: codeFormats,
    }),
  );
  if (context.json) printJson(context.terminal, { dryRun, ...written });
  else
    printLines(context.terminal, renderManifest(written, dryRun, `lastgood artifacts import ${shellWord(directory)}`));
  return exitCodes.ok;
}
