import { defineSearchAttributeKey, SearchAttributeType, type SearchAttributePair } from '@temporalio/common';
import type { Readiness, ServiceState } from '../../domain/service/state';
import { searchAttributes } from '../contract/ids';

/** One word for the list of workflows. */
export function phaseOf(state: ServiceState): string {
  if (state.pausedWhy !== null || state.pausedUntil !== null) return 'paused';
  if (state.incident) return state.incident.phase;
  if (state.operation) return state.operation.kind;
  if (state.breaker.open) return 'breaker-open';
  if (state.fallbackInUse) return 'on-fallback';
  if (state.degradations.length > 0) return 'degraded';
  if (state.cooldownUntil !== null) return 'cooldown';
  return state.declared ? 'ok' : 'nothing-live';
}

/** The state of the service in Markdown, for the Temporal UI. No time of day but those of facts: it changes when they do. */
export function detailsOf(state: ServiceState, readiness: Readiness): string {
  const at = (ms: number | null | undefined): string => (ms ? new Date(ms).toISOString() : '–');
  const { declared, incident, operation, breaker, standby } = state;
  const lines = [
    `### ${state.service}: ${phaseOf(state)}`,
    `**Ready to roll back:** ${readiness.ready ? 'yes' : 'no'}, ${readiness.why}`,
    '',
    `| | |`,
    `|---|---|`,
    `| live | ${declared ? `${declared.primary}, epoch ${declared.epoch}, since ${at(state.routedAt)}` : 'nothing'} |`,
    `| standby | ${standby ? `${standby.version} (${standby.proof}) ${standby.backend.instance}` : 'none'} |`,
    `| fallback | ${state.fallbackInUse ? `IN USE: ${state.fallbackInUse.version} since ${at(state.fallbackInUse.since)}` : (declared?.fallback ?? 'none')} |`,
    `| mode | ${state.mode}${state.pausedWhy !== null ? `, paused: ${state.pausedWhy}` : ''}${state.pausedUntil !== null ? `, paused until ${at(state.pausedUntil)}` : ''} |`,
    `| cooldown | ${at(state.cooldownUntil)} |`,
    `| breaker | ${breaker.open ? `OPEN, epoch ${breaker.epoch}, incident ${breaker.incident ?? '?'}` : 'closed'}; ${state.consecutive} consecutive |`,
    `| bake | ${state.bake ? `${state.bake.version} judged by ${state.bake.previous} until ${at(state.bake.until)}` : '–'} |`,
    ...underWay(state).map(([what, is]) => `| ${what} | ${is} |`),
  ];
  if (operation)
    lines.push(
      '',
      `**${operation.kind} ${operation.id}** from ${operation.from}: step ${operation.step}${operation.version ? ` of ${operation.version}` : ''}${operation.waiting !== null ? `, waits for a person: ${operation.waiting}` : ''}`,
    );
  if (incident)
    lines.push('', `**Incident ${incident.id}** (${incident.phase}, ${incident.attribution}): ${incident.sentence}`);
  for (const entry of state.degradations.slice(0, 5))
    lines.push('', `- ${entry.decided}${entry.heldBy ? ` (${entry.heldBy})` : ''}: ${entry.verdict.sentence}`);
  lines.push('', '| version | standing | last good |', '|---|---|---|');
  for (const facts of state.versions.slice(-12))
    lines.push(
      `| ${facts.version} | ${facts.standing}${facts.human ? ', human-validated' : ''}: ${facts.why} | ${at(facts.lastGoodAt)} |`,
    );
  return lines.join('\n').slice(0, 18_000);
}

/** What is not there most of the time; a line for each that is. */
function underWay(state: ServiceState): [string, string][] {
  const at = (ms: number): string => new Date(ms).toISOString();
  const { preparing, retiring, queued, confirming, foreign, unmeasuredSince, outbox, next } = state;
  const lines: [string, string][] = [];
  if (unmeasuredSince !== null) lines.push(['UNMEASURED', `since ${at(unmeasuredSince)}`]);
  if (foreign) lines.push(['FOREIGN record', `epoch ${foreign.epoch}, ${foreign.primary}, declared by nobody here`]);
  if (preparing) lines.push(['made ready', `${preparing.instance}, until ${at(preparing.until)}`]);
  for (const { instance, dueAt, failed } of retiring.slice(0, 10))
    lines.push([
      'retiring',
      `${instance}${failed ? ', could not be stopped' : ''}${dueAt === undefined ? '' : `, asked again at ${at(dueAt)}`}`,
    ]);
  if (queued) lines.push(['queued', `deploy of ${queued.version}: ${queued.reason}`]);
  if (confirming)
    lines.push([
      'confirming',
      `${confirming.metric} until ${at(confirming.until)}${confirming.measured ? '' : ', not measured yet'}${confirming.keep ? `; keeps ${confirming.keep.instance}` : ''}`,
    ]);
  if (outbox[0]) lines.push(['ledger lag', `${outbox.length} entries, the oldest of ${at(outbox[0].at)}`]);
  if (next.policy !== null || next.rules !== null)
    lines.push(['pending', `${next.policy ? 'a new policy' : 'new rules'}, taken over at the next quiet moment`]);
  return lines;
}

/** Typed search attributes of what is registered; the others are left out. */
export function searchAttributesOf(state: ServiceState, registered: readonly string[]): SearchAttributePair[] {
  const values: readonly (readonly [string, string])[] = [
    [searchAttributes.service, state.service],
    [searchAttributes.state, phaseOf(state)],
    [searchAttributes.version, state.declared?.primary ?? 'none'],
    [searchAttributes.incident, state.incident?.id ?? 'none'],
  ];
  return registeredOf(values, registered);
}

/** A child is found under its service too. */
export function childAttributes(
  { service, version, incident }: { service: string; version: string; incident: string | null },
  registered: readonly string[],
): SearchAttributePair[] {
  const values: readonly (readonly [string, string])[] = [
    [searchAttributes.service, service],
    [searchAttributes.version, version],
    [searchAttributes.incident, incident ?? 'none'],
  ];
  return registeredOf(values, registered);
}

function registeredOf(
  values: readonly (readonly [string, string])[],
  registered: readonly string[],
): SearchAttributePair[] {
  return values
    .filter(([name]) => registered.includes(name))
    .map(([name, value]) => ({ key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD), value }));
}
