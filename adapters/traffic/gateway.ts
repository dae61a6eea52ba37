import { z } from 'zod';
import type { TrafficRouter } from '../../activities/ports';
import { applyResultSchema, routerStateSchema, type RouterState } from '../../gateway/protocol';
import { gatewayControl, GatewayAnswerRefused, parseAnswer, type GatewayControlOptions } from './gateway-control';

export interface GatewayRouterOptions extends GatewayControlOptions {
  /** Header that keeps a probe out of every metric of the gateway. */
  readonly probeHeaders?: Readonly<Record<string, string>>;
}

const floorSchema = z.object({ floor: z.int().min(0) });
const healthSchema = z.object({ ok: z.boolean(), address: z.record(z.string(), z.string()) });
const DEFAULT_PROBE_HEADERS = { 'x-lastgood-mirror': '1' };

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
      const found = parseAnswer(healthSchema, json, 'health of the gateway').address[service];
      if (found === undefined) throw new GatewayAnswerRefused(`the gateway does not listen for ${service}`);
      const address = /^https?:\/\//.test(found) ? found : `http://${found}`;
      return { address, probeHeaders: options.probeHeaders ?? DEFAULT_PROBE_HEADERS };
    },
    close: () => control.close(),
  };
}
