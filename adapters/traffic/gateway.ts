import { z } from 'zod';
import type { TrafficRouter } from '../../activities/ports';
import { applyResultSchema, mirroredSchema, routerStateSchema, type RouterState } from '../../gateway/protocol';
import { readTextIfThere } from '../disk/atomic-file';
import {
  gatewayControl,
  GatewayAnswerRefused,
  GatewayServiceUnknown,
  GatewayUnreachable,
  parseAnswer,
  type GatewayControlOptions,
} from './gateway-control';

export interface GatewayRouterOptions extends GatewayControlOptions {
  /** Headers that keep a probe out of every metric; default the token whose file the gateway names. */
  readonly probeHeaders?: Readonly<Record<string, string>>;
}

const floorSchema = z.object({ floor: z.int().min(0) });
const healthSchema = z.object({
  ok: z.boolean(),
  address: z.record(z.string(), z.string()),
  probeAddress: z.record(z.string(), z.string()).prefault({}),
  probeTokenFile: z.string().optional(),
});
const LIMIT_TOKEN_BYTES = 4_096;

/** The gateway as a traffic router. Rejects with a `GatewayError`; a refused record is a value. */
export function gatewayRouter(options: GatewayRouterOptions): TrafficRouter & { close(): Promise<void> } {
  const control = gatewayControl(options);
  const at = (service: string): string => `/services/${encodeURIComponent(service)}`;

  async function read(service: string): Promise<RouterState> {
    const { json } = await control.call('GET', at(service));
    return parseAnswer(routerStateSchema, json, `state of ${service}`);
  }

  return {
    read,
    async apply(record) {
      const path = `${at(record.service)}/route`;
      const { status, json } = await control.call('PUT', path, record);
      const result = parseAnswer(applyResultSchema, json, `route of ${record.service}`);
      // A proxy in between, or a gateway of another release, could say one thing in the status and another in the body.
      if ((status === 200) !== result.applied) {
        throw new GatewayAnswerRefused(`PUT ${path}: status ${status} with applied = ${result.applied}`);
      }
      return result;
    },
    async fence(service, epoch) {
      const { json } = await control.call('POST', `${at(service)}/fence`, { epoch });
      return parseAnswer(floorSchema, json, `fence of ${service}`).floor;
    },
    async drained(service, version) {
      const state = await read(service);
      const inFlight = state.inFlight[version] ?? 0;
      const pinned = state.pinned[version]?.sessions ?? 0;
      return { drained: inFlight === 0 && pinned === 0, inFlight, pinned };
    },
    async entrance(service) {
      const { json } = await control.call('GET', '/health');
      const health = parseAnswer(healthSchema, json, 'health of the gateway');
      const clients = health.address[service];
      if (clients === undefined) throw new GatewayServiceUnknown(`the gateway does not listen for ${service}`);
      const address = health.probeAddress[service] ?? clients;
      return { address, clients, probeHeaders: options.probeHeaders ?? (await probeToken(health.probeTokenFile)) };
    },
    async mirror(service, drill, items) {
      const { json } = await control.call('POST', `${at(service)}/mirror`, { drill, items });
      return parseAnswer(mirroredSchema, json, `mirror of ${service}`);
    },
    close: () => control.close(),
  };
}

/** The gateway believes only those that a request is a probe who may read its data directory. */
async function probeToken(file: string | undefined): Promise<Record<string, string>> {
  if (file === undefined) throw new GatewayAnswerRefused('the gateway names no token for probes');
  const token = await readTextIfThere(file, LIMIT_TOKEN_BYTES).catch((fault: unknown) => {
    throw new GatewayUnreachable(`token of probes: ${String(fault)}`, { cause: fault });
  });
  if (token === null) throw new GatewayUnreachable(`token of probes: ${file} does not exist`);
  return { 'x-lastgood-probe': token.trim() };
}
