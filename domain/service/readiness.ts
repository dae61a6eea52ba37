import { rankCandidates } from '../rollback/candidates';
import { expectedGap } from './gap';
import { duration } from './messages-for-people';
import type { Readiness, ServiceState } from './state';

/** May lastgood roll back now, to what, and how fast; from real validate and probe steps, never from hope. */
export function readinessOf(state: ServiceState, now: number): Readiness {
  const nothing = { ready: false, target: null, warm: false, provenAt: null, expectedMs: null };
  if (!state.declared) return { ...nothing, why: 'nothing is live yet' };
  const { candidates, refused, noneFits } = rankCandidates(state, now, state.breaker.open ? 'hold' : 'any');
  const best = candidates[0];
  if (!best) {
    const reasons = refused
      .filter(({ why }) => why !== 'is live')
      // The list of versions has each reason in full.
      .map(({ version, why }) => `${version}: ${why.split(': ')[0] ?? why}`);
    const nobody = reasons.length
      ? `no version may be chosen (${reasons.slice(0, 4).join('; ')})`
      : 'there is no other version';
    return { ...nothing, why: state.breaker.open ? `${blockedBy(state, now) ?? ''}; ${nobody}` : nobody };
  }
  const blocked = blockedBy(state, now) ?? waitsForPerson(state);
  const unasked = noneFits === null ? '' : '; only an emergency moves to it unasked';
  if (best.warm)
    return {
      ready: blocked === null,
      target: best.version,
      warm: true,
      provenAt: best.warm.proofAt,
      expectedMs: state.policy.steps.shiftMs < 1000 ? state.policy.steps.shiftMs : 1000,
      why: blocked ?? `${best.version} ${best.why}${unasked}; it runs, with its proof renewed`,
    };
  const gap = expectedGap(state);
  if (gap) {
    const costs = `memory for one copy: a rollback costs a gap of about ${duration(gap.expectedMs)}`;
    const why = blocked ?? `${best.version} ${best.why}${unasked}; ${costs}`;
    return { ...nothing, ready: blocked === null, target: best.version, expectedMs: gap.expectedMs, why };
  }
  const standby = state.standby?.version === best.version ? state.standby : null;
  const why =
    standby?.proof === 'failed'
      ? `its standby failed its proof: ${standby.why}`
      : state.preparing
        ? `${state.preparing.version} is being made ready`
        : state.policy.standby.keepWarm
          ? 'no standby is proven yet'
          : 'standbys are kept cold by policy';
  return {
    ready: blocked === null && standby?.proof !== 'failed',
    target: best.version,
    warm: false,
    provenAt: null,
    expectedMs: null,
    why: blocked ?? `${best.version} ${best.why}${unasked}; cold: ${why}`,
  };
}

/** Nothing else is decided until the person who was asked has answered. */
function waitsForPerson({ incident }: ServiceState): string | null {
  if (incident?.phase !== 'waiting-for-human' && incident?.phase !== 'awaiting-approval') return null;
  return `incident ${incident.id} waits for a person`;
}

export function pausedBy(state: Pick<ServiceState, 'pausedWhy' | 'pausedUntil'>, now: number): string | null {
  if (state.pausedWhy !== null) return `paused: ${state.pausedWhy}`;
  return state.pausedUntil !== null && now < state.pausedUntil ? 'paused by a person' : null;
}

/** What keeps the machine from acting by itself; null when nothing does. */
export function blockedBy(state: ServiceState, now: number): string | null {
  const paused = pausedBy(state, now);
  if (paused !== null) return paused;
  if (state.mode === 'observe') return 'mode observe: lastgood only watches';
  if (state.breaker.open) return `the breaker is open since incident ${state.breaker.incident ?? '?'}`;
  if (state.cooldownUntil !== null && now < state.cooldownUntil) return 'cooldown after the last rollback';
  return null;
}
