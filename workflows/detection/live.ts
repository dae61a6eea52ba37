import { condition } from '@temporalio/workflow';
import type { LiveInput } from '../contract/activities';
import type { DetectionState } from '../contract/inputs';
import type { RouteChanged } from '../contract/signals';
import { watch } from '../proxies';
import type { Detecting } from './detecting';
import { watching } from './inputs';
import { areOnNamedHosts, askHosts } from './host-endings';

const EVERY_MS = 1_000;
const RETURN_MS = 10 * 60_000;
/** A service that lost its state must hear of a death again. */
const RETURN_DOWN_MS = 30_000;

/** Which copies are looked at: others are others, whatever the version. */
export function copiesOf({ copies }: RouteChanged): string {
  return (copies ?? []).map(({ instance }) => instance).join(',');
}

/** Traffic may be too thin to tell of a death, and without a standby nobody else would start the version again. */
export async function guardLive(detection: Detecting): Promise<void> {
  const { service, loops, reports } = detection;
  await condition(() => (detection.state.route?.copies ?? []).length > 0);
  const { route, liveKnown } = detection.state;
  const input = route && liveInputOf(service, route, liveKnown ?? null);
  if (!input) return;
  const copies = copiesOf(route);
  const looked = await loops.cancellable('live', () =>
    watch.guardLive.executeWithOptions(watching(route, copies.slice(0, 200)), [input]),
  );
  const asks = looked?.condition === 'silent' && areOnNamedHosts(input.copies);
  const result = asks ? await loops.cancellable('live', () => askHosts(service, input.copies, looked)) : looked;
  const now = detection.state.route;
  if (!result || !now || copiesOf(now) !== copies) return;
  const { condition: seen, down } = result;
  const byHosts = asks && seen === 'dead' ? { byHosts: true as const } : {};
  detection.change({ liveKnown: { copies, condition: seen, ...(down && { down }), ...byHosts } });
  const instances = input.copies.map(({ instance }) => instance);
  reports.liveIs({ version: input.version, instances, ...result });
}

function liveInputOf(
  service: string,
  route: RouteChanged,
  last: NonNullable<DetectionState['liveKnown']> | null,
): LiveInput | null {
  const { version, model, copies } = route;
  if (!copies || copies.length === 0) return null;
  const told = last?.copies === copiesOf(route) ? last : null;
  const known = told?.byHosts ? 'silent' : (told?.condition ?? null);
  const returnAfterMs = known === null || known === 'answers' ? RETURN_MS : RETURN_DOWN_MS;
  const several = copies.length > 1 ? { knownDown: (known !== null && told?.down) || [] } : {};
  return { service, version, model, copies, intervalMs: EVERY_MS, returnAfterMs, known, ...several };
}
