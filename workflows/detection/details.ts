import type { Assessment } from '../contract/activities';
import type { DetectionState } from '../contract/inputs';
import { isSuppressed } from './reports';
import { readingsOf } from './state';

/** What the Temporal UI shows: the tiers as a table. Values as of the last report of each tier. */
export function detectionDetails(
  service: string,
  state: DetectionState,
  now: number,
  cancelRefusedAt: number | null,
): string {
  const { route, baseline } = state;
  const refused =
    cancelRefusedAt === null
      ? []
      : [
          `**A cancel in Temporal is not obeyed** (${new Date(cancelRefusedAt).toISOString()}): lastgood pause or lastgood mode observe stop the machine`,
        ];
  if (!route) return [`### ${service}: waits for a route`, ...refused].join('\n');
  const number = (value: number | null): string => (value === null ? '–' : String(Number(value.toPrecision(3))));
  const lines = [
    `### ${service}: watches ${route.version}, epoch ${route.epoch}`,
    ...refused,
    `**Judged by:** ${baseline?.words ?? 'nothing yet'}`,
    ...(state.unmeasuredSince === null
      ? []
      : [`**Unmeasured** since ${new Date(state.unmeasuredSince).toISOString()}`]),
    ...(state.onFallback ? ['**The router serves by its fallback.**'] : []),
    ...(state.environment.length === 0 ? [] : [`**Environment:** ${state.environment.join(', ')}`]),
    '',
    '| tier | metric | verdict | observed | expected | limit | samples |',
    '|---|---|---|---|---|---|---|',
    ...readingsOf(state).map(
      ({ tier, metric, kind, observed, expected, limit, samples }) =>
        `| ${tier} | ${metric} | ${kind} | ${number(observed)} | ${number(expected)} | ${number(limit)} | ${samples} |`,
    ),
  ];
  const suppressed = isSuppressed(state, now) ? ' (inside the cooldown)' : '';
  for (const { verdict, cause } of state.standing)
    lines.push('', `- **stands**${suppressed}: ${verdict.sentence} [${cause?.attribution ?? 'cause is being asked'}]`);
  return lines.join('\n').slice(0, 18_000);
}

export function environmentLines({ environment }: Assessment): string[] {
  return [...environment.changed, ...environment.unmeasured.map((name) => `${name}: not measured`)].slice(0, 10);
}
