import { condition, isCancellation, log } from '@temporalio/workflow';
import type { WatchInput, WatchResult } from '../contract/activities';
import { control, watch } from '../proxies';
import type { Detecting } from './detecting';
import { watching, watchInputOf } from './inputs';
import { withBegan, withEnded } from './state';

/** The immediate tier: follows the telemetry from the cursor until there is news. */
export async function watchOnce(detection: Detecting): Promise<void> {
  await condition(() => detection.state.route !== null && detection.state.baseline !== null);
  const input = watchInputOf(detection.service, detection.state);
  if (!input) return;
  const { route } = detection.state;
  const summary = `${input.version}, epoch ${input.epoch}, from row ${input.cursor}`;
  const options = route === null ? { summary } : watching(route, summary);
  const result = await detection.loops.cancellable('watch', () =>
    watch.watchTelemetry.executeWithOptions(options, [input]),
  );
  if (result && detection.state.route?.version === input.version) takeWatch(detection, input, result);
}

function takeWatch(detection: Detecting, { version, epoch }: WatchInput, result: WatchResult): void {
  const { state } = detection;
  let { applied, onFallback } = state;
  for (const event of result.routeEvents) {
    if (event.event === 'routeApplied') {
      onFallback = false;
      if (event.epoch > epoch) applied = { epoch: event.epoch, cursor: result.cursor };
    } else if (event.event === 'fallbackBegan') {
      onFallback = true;
      if (!result.observed) void observeRoute(detection);
    }
  }
  if (result.observed) detection.reports.observe(result.observed);
  const rest = withEnded(state, result.ended, state.route?.epoch ?? epoch);
  const found = { version, source: 'watch' as const, causes: result.attributions };
  detection.change({
    ...rest,
    standing: withBegan(rest.standing, result.began, found),
    cursor: result.cursor,
    watchCharts: result.charts,
    tiers: { ...state.tiers, watch: result.tiers },
    unmeasuredSince: result.unmeasuredSince,
    applied,
    onFallback,
  });
}

async function observeRoute({ service, reports }: Detecting): Promise<void> {
  try {
    reports.observe(
      await control.observeRoute.executeWithOptions({ summary: 'the router uses its fallback' }, [service]),
    );
  } catch (error) {
    if (!isCancellation(error)) log.warn('the route could not be read', { error: String(error) });
  }
}
