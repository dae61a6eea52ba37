import { defaultPayloadConverter } from '@temporalio/common';
import { WatchFold } from '../../activities/detection/watch-fold';
import { gatewayTelemetry } from '../../adapters/telemetry/gateway';
import type { TelemetryRow } from '../../gateway/protocol';
import type { WatchInput } from '../../workflows/contract/activities';
import { detectionWorkflowId } from '../../workflows/contract/ids';
import { SERVICE, type Installation } from './installation';

/** What the watch that runs now was given, by Temporal's own history. */
export async function watchInput(installation: Installation): Promise<WatchInput> {
  const client = await installation.temporal();
  const history = await client.workflow.getHandle(detectionWorkflowId(SERVICE)).fetchHistory();
  const scheduled = (history.events ?? [])
    .flatMap(({ activityTaskScheduledEventAttributes: attributes }) => (attributes ? [attributes] : []))
    .filter(({ activityType }) => activityType?.name === 'watchTelemetry')
    .at(-1);
  const payload = scheduled?.input?.payloads?.[0];
  if (!payload) throw new Error('no watch was ever scheduled');
  return defaultPayloadConverter.fromPayload<WatchInput>(payload);
}

/** The numbered rows after a cursor, as the gateway keeps them. */
export async function rowsAfter(installation: Installation, cursor: number): Promise<TelemetryRow[]> {
  const telemetry = gatewayTelemetry({ address: installation.paths.gatewayControl });
  try {
    // No installation of a test is older; a window is asked for minute by minute.
    const rows = await telemetry.window(SERVICE, Date.now() - 3_600_000, Date.now());
    return rows.filter(({ seq }) => seq > cursor);
  } finally {
    await telemetry.close();
  }
}

/** The verdicts with which the first of these rows that begins one is answered, by a watch that was never interrupted. */
export function firstVerdicts(input: WatchInput, rows: readonly TelemetryRow[]): WatchFold['began'] {
  const fold = new WatchFold(input, input);
  for (const row of rows) {
    fold.take(row);
    if (fold.began.length > 0) return fold.began;
  }
  return [];
}
