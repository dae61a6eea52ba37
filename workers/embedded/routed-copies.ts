import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Logger } from 'pino';
import { z } from 'zod';
import { GatewayServiceUnknown } from '../../adapters/traffic/gateway-control';
import { writtenRecords } from '../../adapters/traffic/haproxy/stored-route';
import { versionsInForce, type RouteRecord } from '../../domain/route';
import { routeRecordSchema } from '../../gateway/protocol';
import type { Configuration } from '../configuration/configuration';
import { gatewayConfigOf } from '../configuration/gateway-file';
import { distDirectory } from '../program';
import { haproxyOptions, openRouter, type OpenRouter } from '../router';
import type { RunPaths } from './paths';

/** A copy that was started by lastgood and must answer at this port, because a route or a note names it. */
export interface Copy {
  readonly service: string;
  readonly instance: string;
  readonly version: string;
  readonly digest: string;
  readonly port: number;
}

/**
 * The copies that the routes in force send requests to, the primaries first: a router that finds its fallback before its
 * primary would move the traffic. Asked of the gateway where it runs, else read where it left them.
 */
export async function routedCopies(configuration: Configuration, paths: RunPaths, log: Logger): Promise<Copy[]> {
  const own = configuration.services.filter(({ serving }) => serving.runtime !== 'external').map(({ name }) => name);
  if (own.length === 0) return [];
  const records = await routes(configuration, paths, own, log);
  const now = Date.now();
  return records
    .filter(({ detached }) => detached === undefined)
    .flatMap((record) => versionsInForce(record, now).map((version) => ({ record, version })))
    .sort((a, b) => Number(b.version === b.record.primary) - Number(a.version === a.record.primary))
    .flatMap(({ record, version }) =>
      (record.backends[version] ?? []).map(({ instance, digest, address }) => ({
        service: record.service,
        instance,
        version,
        digest,
        port: Number(new URL(address).port),
      })),
    )
    .filter(({ service }) => own.includes(service));
}

async function routes(
  configuration: Configuration,
  paths: RunPaths,
  services: readonly string[],
  log: Logger,
): Promise<RouteRecord[]> {
  const router = openRouter(configuration, paths);
  try {
    const states = await Promise.all(services.map((service) => routeOf(router, service)));
    return states.flatMap((record) => (record === null ? [] : [record]));
  } catch (error) {
    log.debug({ err: error }, 'the router does not answer; what it left says where the traffic goes');
  } finally {
    await router.close();
  }
  try {
    const haproxy = haproxyOptions(configuration);
    if (haproxy !== null) return await writtenRecords(haproxy.directory, services);
    return await storedRoutes(gatewayConfigOf(configuration, paths).dataDir);
  } catch (error) {
    // A gateway that runs and does not answer is replaced next; what died with it is for the decider then.
    log.warn({ err: error }, 'the route in force could not be read; no copy is started again for it');
    return [];
  }
}

/** Null where it has none, also because this gateway does not know a service that was configured since. */
async function routeOf(router: OpenRouter, service: string): Promise<RouteRecord | null> {
  try {
    return (await router.read(service)).record;
  } catch (error) {
    if (error instanceof GatewayServiceUnknown) return null;
    throw error;
  }
}

const readLimitMs = 10_000;

/** Only the gateway's own program opens its database, also here. */
async function storedRoutes(dataDir: string): Promise<RouteRecord[]> {
  const args = [`${distDirectory()}/gateway/main.js`, '--routes', dataDir];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: readLimitMs });
  return z.array(routeRecordSchema).parse(JSON.parse(stdout));
}
