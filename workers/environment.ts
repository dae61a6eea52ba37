import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';

/** The environment as the processes use it. Everything else takes these values as parameters. */
export interface Environment {
  /** `LASTGOOD_TEMPORAL_ADDRESS`: host:port of a Temporal server that already runs. */
  readonly temporalAddress?: string;
  /** `LASTGOOD_CACHE_DIR`, else `$XDG_CACHE_HOME/lastgood`, else `~/.cache/lastgood`: absolute. */
  readonly cacheDir: string;
  /** `PATH`, where programs are looked for. */
  readonly path: string;
  /** `LASTGOOD_FAILPOINTS`: directory of the failpoints of fault tests; absolute. */
  readonly failpoints?: string;
  /** What child processes inherit. */
  readonly inherited: NodeJS.ProcessEnv;
}

/** A variable of the environment has a value that cannot be used. The message names variable, value and expectation. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}

const hostAndPort = z.string().regex(/^(?:\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/);
const absolutePath = z.string().refine((value) => isAbsolute(value));

/**
 * Reads the environment; the only place that does. A variable that is set to nothing counts as not set.
 * @throws EnvironmentError
 */
export function readEnvironment(env: NodeJS.ProcessEnv = process.env): Environment {
  const temporalAddress = read(env, 'LASTGOOD_TEMPORAL_ADDRESS', hostAndPort, 'host:port, such as 127.0.0.1:7233');
  const cacheDir = read(env, 'LASTGOOD_CACHE_DIR', absolutePath, 'an absolute path');
  const failpoints = read(env, 'LASTGOOD_FAILPOINTS', absolutePath, 'an absolute path');
  // The XDG specification says that a relative path there is to be ignored, so it is no error.
  const xdg = env['XDG_CACHE_HOME'];
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), '.cache');
  return {
    ...(temporalAddress === undefined ? {} : { temporalAddress }),
    ...(failpoints === undefined ? {} : { failpoints }),
    cacheDir: cacheDir ?? join(base, 'lastgood'),
    path: env['PATH'] ?? '',
    inherited: { ...env },
  };
}

function read(env: NodeJS.ProcessEnv, name: string, schema: z.ZodType<string>, expected: string): string | undefined {
  const value = env[name]?.trim();
  if (value === undefined || value === '') return undefined;
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new EnvironmentError(`environment: ${name}: found "${value}", expected ${expected}`);
  return parsed.data;
}
