import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { runPaths } from '../workers/embedded/paths';
import type { CommonOptions } from './context';
import { badUse } from './failure';

/** Where the controller is found. The whole configuration is checked by `validate` and `up`, not by every `status`. */
export interface Settings {
  readonly configFile: string;
  /** Null when only `--api` says where the controller is. */
  readonly dataDir: string | null;
  readonly target: ApiTarget;
  /** Services named in the file, where there is one. */
  readonly services: readonly string[];
}

export type ApiTarget =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string; readonly token: string };

export const defaultConfigFile = 'lastgood.yaml';

/** @throws CliFailure with exit code 64 */
export function readSettings(options: CommonOptions): Settings {
  const configFile = resolve(options.config ?? defaultConfigFile);
  if (options.api !== undefined) return { ...remote(options.api, options.tokenFile), configFile };
  const { dataDir, services } = readPlaces(configFile);
  return { configFile, dataDir, services, target: { kind: 'socket', path: runPaths(dataDir).apiSocket } };
}

function remote(api: string, tokenFile: string | undefined): Pick<Settings, 'dataDir' | 'target' | 'services'> {
  if (!/^https?:\/\/[^/\s]+\/?$/.test(api))
    throw badUse(`--api: found "${api}", expected an address such as http://127.0.0.1:7780`);
  if (tokenFile === undefined)
    throw badUse(
      '--api needs the token of the controller, and no file was named',
      `lastgood status --api ${api} --token-file .lastgood/api.token`,
    );
  let token: string;
  try {
    token = readFileSync(tokenFile, 'utf8').trim();
  } catch (error) {
    throw badUse(
      `--token-file ${tokenFile}: ${(error as Error).message}`,
      'copy api.token from the data directory of the controller',
    );
  }
  return { dataDir: null, services: [], target: { kind: 'url', url: api.replace(/\/$/, ''), token } };
}

/** Only the names that lead to the controller; a plain `status` must not pay for the whole schema. */
function readPlaces(configFile: string): { dataDir: string; services: string[] } {
  let text: string;
  try {
    text = readFileSync(configFile, 'utf8');
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (error as Error).message;
    throw badUse(
      `${configFile}: ${why}`,
      'name the file with --config FILE, the controller with --api URL --token-file FILE, or write one: lastgood init --url http://HOST:PORT',
    );
  }
  const value = parseYaml(configFile, text);
  const { dataDir, services } = value as { dataDir?: unknown; services?: unknown };
  if (dataDir !== undefined && (typeof dataDir !== 'string' || dataDir === ''))
    throw badUse(`${configFile}: dataDir: found ${JSON.stringify(dataDir)}, expected a path`, 'lastgood validate');
  const here = dirname(configFile);
  return {
    dataDir: dataDir === undefined ? join(here, '.lastgood') : resolve(here, dataDir),
    services: typeof services === 'object' && services !== null ? Object.keys(services) : [],
  };
}

function parseYaml(file: string, text: string): object {
  let value: unknown;
  try {
    value = parse(text, { schema: 'core', maxAliasCount: 100 });
  } catch (error) {
    throw badUse(`${file}: not YAML: ${(error as Error).message.split('\n')[0] ?? ''}`, 'lastgood validate');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badUse(`${file}: found no mapping, expected a configuration`, 'lastgood validate');
  return value;
}

/** For verbs that need the file as a whole. */
export function unreachableHint(settings: Settings): string {
  return settings.target.kind === 'socket'
    ? `start it with \`lastgood up --config ${settings.configFile}\`, or see why it ended: \`lastgood doctor\` and ${settings.dataDir ?? ''}/logs/controller.log`
    : 'check the address, or run the command on the host of the controller';
}
