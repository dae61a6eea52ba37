import { isBeforePerson } from '../../domain/detection/estimated-metrics';
import { attribute, type Attribution } from '../../domain/detection/attribution';
import type { Verdict } from '../../domain/detection/types';
import type { ServicePolicy } from '../../domain/policy';
import type { Procedure } from '../../domain/rollback/plan';
import { procedureFor } from '../../domain/rollback/plan';
import type { StandingEntry } from '../../workflows/contract/inputs';
import { environmentUnknown } from './assessments';
import { afterRollback, heldBy, keepCalm, releasedBrakes, type ReplayBrakes } from './brakes';

export interface ReplayDecision {
  readonly at: number;
  /** `hold`: it was looked at, and something kept it; decided again when that ends. */
  readonly what: 'roll-back' | 'ask' | 'hold';
  readonly why: string;
  readonly version: string;
  readonly verdict: Verdict;
  readonly attribution: Attribution;
  readonly procedure: Procedure;
}

const ESTIMATED = 'it rests on an estimate: it would wait for a person';

/**
 * What the service workflow would have decided, simply: every verdict of the live version, worst first, under cooldown
 * and breaker. A rollback takes no time and always finds a candidate. The record goes on with the version that would have
 * been left: until its degradation has ended there, or another version serves, nothing more is decided on it.
 */
export class Decider {
  readonly decisions: ReplayDecision[] = [];
  private brakes: ReplayBrakes = releasedBrakes;
  private left = false;
  private readonly told = new Map<string, string>();

  constructor(private readonly policy: ServicePolicy) {}

  get cooldownUntil(): number | null {
    return this.brakes.cooldownUntil;
  }

  get breakerOpenedAt(): number | null {
    return this.brakes.breakerOpenedAt;
  }

  /** Another version serves in the record. */
  leave(): void {
    this.left = false;
  }

  /** True while the record goes on with a version that would have been left. */
  decide(standing: readonly StandingEntry[], deployedAt: number | null, now: number): boolean {
    if (standing.length === 0) this.left = false;
    this.brakes = keepCalm(this.brakes, this.policy, now, standing.length === 0 && !this.left);
    for (const entry of worstFirst(standing)) {
      if (this.left) break;
      this.decideOn(entry, deployedAt, now);
    }
    return this.left;
  }

  private decideOn(entry: StandingEntry, deployedAt: number | null, now: number): void {
    const { id, verdict, version } = entry;
    const { attribution } = attribute({
      environment: { changed: [], unmeasured: [environmentUnknown] },
      deployAtMs: deployedAt,
      onsetMs: verdict.onsetMs,
      onsetHighMs: verdict.onsetHighMs,
      deployAgeMs: deployedAt === null ? null : now - deployedAt,
    });
    const { mode, approval, undetermined, standby } = this.policy;
    const undecided = attribution === 'undetermined' && undetermined[verdict.tier] === 'hold';
    const held =
      heldBy(this.brakes, now) ?? (undecided ? 'the cause is undetermined, and the policy holds then' : null);
    const procedure = procedureFor(verdict.tier, standby.keepWarm);
    const common = { at: now, version, verdict, attribution, procedure };
    if (held !== null) {
      if (this.told.get(id) !== held) this.decisions.push({ ...common, what: 'hold', why: held });
      this.told.set(id, held);
      return;
    }
    if (isBeforePerson(this.policy, verdict.metric)) {
      // Nobody knows the answer; what is counted later is not hidden by the question.
      if (this.told.get(id) !== ESTIMATED) this.decisions.push({ ...common, what: 'ask', why: ESTIMATED });
      this.told.set(id, ESTIMATED);
      return;
    }
    const asks = mode === 'confirm' || approval.tiers.includes(verdict.tier);
    const why =
      mode === 'observe' ? 'mode observe: it would only be recorded' : asks ? 'it would wait for a person' : '';
    this.decisions.push({ ...common, what: asks ? 'ask' : 'roll-back', why });
    this.brakes = afterRollback(this.brakes, this.policy, now);
    this.left = true;
  }
}

/** As the service workflow: hard ones first, then the faster tier. */
function worstFirst(standing: readonly StandingEntry[]): StandingEntry[] {
  const order = { immediate: 0, 'short-window': 1, trend: 2 };
  return [...standing].sort(
    (a, b) => Number(b.verdict.hard) - Number(a.verdict.hard) || order[a.verdict.tier] - order[b.verdict.tier],
  );
}
