import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { gatewayControl, parseAnswer } from '../../adapters/traffic/gateway-control';
import type { LedgerChains } from '../../api/ports';
import type { DrillScheduleView } from '../../api/types';
import { routerStateSchema, storedServiceSchema, type RouterState, type StoredService } from '../../gateway/protocol';
import type { Configuration } from '../configuration/configuration';
import { gatewayConfigOf } from '../configuration/gateway-file';
import type { RunPaths } from '../embedded/paths';
import { distDirectory } from '../program';
import { openRouter } from '../router';

/** Through whom a backup reads what only one process may open. */
export interface BackupSources {
  readonly while: 'running' | 'down';
  readonly chains: LedgerChains;
  /** Kept by Temporal alone; null where there is none, or nobody could be asked. */
  drillSchedule(service: string): Promise<DrillScheduleView | null>;
}

/** The route of a service as its router has it; the gateway tells what it keeps besides. */
export const backedUpRouteSchema = z.discriminatedUnion('router', [
  z.strictObject({ router: z.literal('gateway'), stored: storedServiceSchema }),
  z.strictObject({ router: z.literal('haproxy'), state: routerStateSchema }),
]);
export type BackedUpRoute = z.output<typeof backedUpRouteSchema>;

const limitMs = 30_000;
const limitBytes = 256 * 1024 * 1024;

/** By service; one whose router does not answer is missing, and said in `problems`. */
export async function routesNow(
  configuration: Configuration,
  paths: RunPaths,
): Promise<{ routes: Map<string, BackedUpRoute>; problems: string[] }> {
  const names = configuration.services.map(({ name }) => name);
  return configuration.router.kind === 'haproxy'
    ? await haproxyRoutes(configuration, paths, names)
    : await gatewayRoutes(configuration, paths, names);
}

async function haproxyRoutes(
  configuration: Configuration,
  paths: RunPaths,
  names: readonly string[],
): Promise<{ routes: Map<string, BackedUpRoute>; problems: string[] }> {
  const routes = new Map<string, BackedUpRoute>();
  const problems: string[] = [];
  const router = openRouter(configuration, paths);
  try {
    for (const name of names) {
      try {
        const state = (await router.read(name)) as RouterState;
        routes.set(name, { router: 'haproxy', state: routerStateSchema.parse(state) });
      } catch (error) {
        problems.push(`the route of ${name}: HAProxy does not say it: ${wordsOf(error)}`);
      }
    }
  } finally {
    await router.close();
  }
  return { routes, problems };
}

/** Asked of the gateway where it runs, else read by its own program where it left them. */
async function gatewayRoutes(
  configuration: Configuration,
  paths: RunPaths,
  names: readonly string[],
): Promise<{ routes: Map<string, BackedUpRoute>; problems: string[] }> {
  const control = gatewayControl({ address: paths.gatewayControl, timeoutMs: limitMs, limitBytes });
  let found: StoredService[];
  const problems: string[] = [];
  try {
    const answers = await Promise.all(
      names.map(async (name) => {
        const path = `/services/${encodeURIComponent(name)}/stored`;
        return parseAnswer(storedServiceSchema.nullable(), (await control.call('GET', path)).json, path);
      }),
    );
    found = answers.filter((one) => one !== null);
  } catch (asked) {
    try {
      found = await leftByGateway(gatewayConfigOf(configuration, paths).dataDir);
    } catch (read) {
      problems.push(
        `the routes: the gateway does not answer (${wordsOf(asked)}), and what it left cannot be read: ${wordsOf(read)}`,
      );
      found = [];
    }
  } finally {
    await control.close();
  }
  return { routes: new Map(found.map((stored) => [stored.service, { router: 'gateway', stored }])), problems };
}

async function leftByGateway(dataDir: string): Promise<StoredService[]> {
  const args = [join(distDirectory(), 'gateway', 'main.js'), '--state', dataDir];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: limitMs, maxBuffer: limitBytes });
  return z.array(storedServiceSchema).parse(JSON.parse(stdout));
}

export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
