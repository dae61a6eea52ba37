import type { ServicePolicy } from '../policy';
import type { ServiceState } from './state';

export function initialState(start: {
  service: string;
  host: string;
  policy: ServicePolicy;
  rules: number;
  samples: boolean;
}): ServiceState {
  return {
    ...start,
    next: { policy: null, rules: null },
    mode: start.policy.mode,
    declared: null,
    routedAt: 0,
    nextEpoch: 1,
    versions: [],
    standby: null,
    unprepared: [],
    preparing: null,
    retiring: [],
    degradations: [],
    incident: null,
    operation: null,
    queued: null,
    bake: null,
    confirming: null,
    cooldownUntil: null,
    consecutive: 0,
    calmSince: null,
    calmFrozenAt: null,
    breaker: { open: false, epoch: 0, openedAt: null, incident: null },
    pausedUntil: null,
    pausedWhy: null,
    foreign: null,
    fallbackInUse: null,
    tiers: [],
    unmeasuredSince: null,
    environment: [],
    counters: { ledger: 0, incident: 0, operation: 0, instance: 0 },
    outbox: [],
    answered: [],
  };
}
