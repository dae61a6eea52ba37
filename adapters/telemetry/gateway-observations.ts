import type { OutsideMetrics, PushedMetrics } from '../../activities/ports';
import { observationAnswerSchema, observationBatchSchema, observationsSchema } from '../../gateway/protocol';
import {
  asGatewayError,
  GatewayAnswerRefused,
  gatewayControl,
  parseAnswer,
  type GatewayControlOptions,
} from '../traffic/gateway-control';
import { TelemetryUnreachable } from './gateway';

export type GatewayObservations = OutsideMetrics & Pick<PushedMetrics, 'take'> & { close(): Promise<void> };

/** Values that were pushed, as the gateway keeps them. Rejects with {@link TelemetryUnreachable}. */
export function gatewayObservations(options: GatewayControlOptions): GatewayObservations {
  const control = gatewayControl(options);
  const at = (service: string): string => `/services/${encodeURIComponent(service)}/observations`;

  async function asked<T>(what: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (fault) {
      throw new TelemetryUnreachable(asGatewayError(fault, what, null).message, { cause: fault });
    }
  }

  return {
    take: (service, batch) =>
      asked(`POST ${at(service)}`, async () => {
        const { status, json } = await control.call('POST', at(service), observationBatchSchema.parse(batch));
        const answer = parseAnswer(observationAnswerSchema, json, `POST ${at(service)}`);
        if (answer.taken !== (status === 200))
          throw new GatewayAnswerRefused(`POST ${at(service)}: status ${status} with taken = ${answer.taken}`);
        return answer;
      }),
    values: (service, metric, fromMs, toMs, limit) =>
      asked(`GET ${at(service)}`, async () => {
        const query = new URLSearchParams({ metric, from: String(fromMs), to: String(toMs), limit: String(limit) });
        const { json } = await control.call('GET', `${at(service)}?${query.toString()}`);
        const { values } = parseAnswer(observationsSchema, json, `GET ${at(service)}`);
        return values.map(({ atMs, value, n }) => ({ atMs, value, n }));
      }),
    close: () => control.close(),
  };
}
