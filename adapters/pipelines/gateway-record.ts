import type { Pipeline } from '../../activities/ports';
import { itemAnswersSchema } from '../../gateway/protocol';
import { gatewayControl, parseAnswer, type GatewayControlOptions } from '../traffic/gateway-control';
import { PipelineRefused, PipelineUnreachable } from './errors';

/**
 * A pipeline of which only the gateway's own record is known: which version answered which item. It has no request that could
 * be sent again and no place for a result, so that its items are only flagged, in the list that lastgood keeps.
 */
export function gatewayRecordPipeline(
  options: GatewayControlOptions & { readonly service: string },
): Pipeline & { close(): Promise<void> } {
  const control = gatewayControl(options);
  return {
    guarantee: { kind: 'exactly-once', why: 'nothing is done but a list of what the gateway answered' },
    count: () => Promise.resolve(null),
    async list({ version, fromMs, toMs }, cursor, limit) {
      const query = new URLSearchParams({
        version,
        from: String(fromMs),
        to: String(toMs),
        limit: String(limit),
        ...(cursor !== null && { cursor }),
      });
      const path = `/services/${encodeURIComponent(options.service)}/items?${query.toString()}`;
      try {
        const { status, json } = await control.call('GET', path);
        if (status !== 200) throw new PipelineUnreachable(`the gateway answered ${status}`);
        const { items, next } = parseAnswer(itemAnswersSchema, json, 'items of the answer record');
        return {
          units: items.map(({ item, requestId }) => ({ id: item, items: 1, degraded: 1, ref: requestId })),
          next,
        };
      } catch (error) {
        if (error instanceof PipelineUnreachable) throw error;
        throw new PipelineUnreachable(`the answer record: ${(error as Error).message}`, { cause: error });
      }
    },
    treat({ action, pipeline, why }, units) {
      if (action !== 'flag') throw new PipelineRefused(`${pipeline}: the answer record has no requests to ${action}`);
      const treated = units.map(({ id, ref }) => ({
        unit: id,
        item: id,
        outcome: 'flagged' as const,
        why: ref === undefined ? why : `${why}; request ${ref}`,
        version: null,
      }));
      return Promise.resolve(treated);
    },
    close: () => control.close(),
  };
}
