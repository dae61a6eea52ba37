import type { Tier } from '../domain/detection/types';
import type { Json, LedgerEntry } from '../domain/ledger';

const tiers: readonly Tier[] = ['immediate', 'short-window', 'trend'];
const causes = ['model', 'environment', 'undetermined', 'operator'] as const;

/** `none`: a person decided, no tier fired. `unknown`: the entry that says so is not known here. */
export type TierLabel = Tier | 'none' | 'unknown';
export type CauseLabel = (typeof causes)[number] | 'unknown';

/** One decision about a rollback, in the words of the label values. */
export interface RollbackOutcome {
  readonly cause: CauseLabel;
  readonly tier: TierLabel;
  readonly outcome: string;
}

/** One verdict that began, ended, was suppressed, or spoke of a route that is not in force any more. */
export interface VerdictNews {
  readonly tier: TierLabel;
  /** Name of the metric without its class. */
  readonly metric: string;
  readonly what: 'began' | 'ended' | 'suppressed' | 'of-another-route';
}

/** Milliseconds that an incident spent in each stage; a stage whose limits are not both known is left out. */
export type ExposureStages = Partial<Record<'detect' | 'decide' | 'prepare' | 'shift' | 'verify' | 'total', number>>;

interface Reason {
  readonly cause: CauseLabel;
  readonly tier: TierLabel;
}
interface StandingVerdict extends Reason {
  readonly id: string;
  readonly metric: string;
}

/** More that stand at once are one outage. */
const verdictLimit = 64;

/**
 * What the newest entries of one service say together: an entry that ends a rollback does not repeat why it began.
 * Entries come in the order of the ledger; those of operations besides the service's own are left out, as both tell of
 * the same.
 */
export class DecisionStory {
  private standing: readonly StandingVerdict[] = [];
  /** The last operation that was decided; there is at most one at a time (I2). */
  private operation: (Reason & { readonly id: string }) | null = null;
  private incident: (Reason & { readonly id: string }) | null = null;
  private exposed: string | null = null;

  take(entry: LedgerEntry): {
    readonly rollback: RollbackOutcome | null;
    readonly verdict: VerdictNews | null;
    readonly exposure: ExposureStages | null;
  } {
    if (!entry.key.startsWith(`service/${entry.service}/`)) return { rollback: null, verdict: null, exposure: null };
    const verdict = this.verdictOf(entry);
    const rollback = this.rollbackOf(entry);
    return { rollback, verdict, exposure: entry.kind === 'settled' ? this.exposureOf(entry) : null };
  }

  private verdictOf({ kind, facts }: LedgerEntry): VerdictNews | null {
    switch (kind) {
      case 'degradation-began': {
        const id = textOf(facts['id']) ?? '';
        if (facts['metric'] === undefined) return { tier: 'unknown', metric: 'unknown', what: 'of-another-route' };
        const news = { tier: tierOf(facts['tier']), metric: metricOf(facts['metric']) };
        const verdict = { id, ...news, cause: causeOf(facts['attribution']) };
        this.standing = [...this.standing.filter((other) => other.id !== id), verdict].slice(-verdictLimit);
        return { ...news, what: facts['suppressed'] === true ? 'suppressed' : 'began' };
      }
      case 'degradation-ended': {
        const known = this.standing.find(({ id }) => id === facts['id']);
        this.standing = this.standing.filter((other) => other !== known);
        return { tier: known?.tier ?? 'unknown', metric: known?.metric ?? 'unknown', what: 'ended' };
      }
      case 'fallback-began': {
        // The router found nobody who answers: that is the verdict, no chart begins another one.
        const verdict = { id: '', tier: 'immediate', metric: 'availability', cause: 'undetermined' } as const;
        this.standing = [...this.standing, verdict].slice(-verdictLimit);
        return { tier: 'immediate', metric: 'availability', what: 'began' };
      }
      default:
        return null;
    }
  }

  private rollbackOf(entry: LedgerEntry): RollbackOutcome | null {
    const { kind, facts, incident } = entry;
    switch (kind) {
      case 'deploy-decided':
      case 'rollback-decided': {
        const reason = this.reasonOfDecision(entry);
        this.operation = { id: textOf(facts['operation']) ?? '', ...reason };
        if (incident !== null) this.incident = { id: incident, ...reason };
        return kind === 'rollback-decided' ? this.outcome('decided', reason) : null;
      }
      case 'rollback-held': {
        // A proposal names its target; what is held names the verdict that it is held on.
        const proposed = facts['verdict'] === undefined;
        const reason = this.reasonOfVerdict(facts['verdict']);
        if (proposed && incident !== null) this.incident = { id: incident, ...reason };
        return { ...reason, outcome: proposed ? 'proposed' : 'held' };
      }
      case 'rollback-refused': {
        if (entry.actor.proof !== 'lastgood') return { cause: 'operator', tier: 'none', outcome: 'refused' };
        if (facts['verdict'] === undefined) return { ...this.reasonOfIncident(incident), outcome: 'refused' };
        return { ...this.reasonOfVerdict(facts['verdict']), cause: 'environment', outcome: 'refused' };
      }
      case 'settled': {
        const reason = {
          cause: causeOf(facts['cause']),
          tier: facts['tier'] === null ? 'none' : tierOf(facts['tier']),
        };
        return this.outcome('settled', reason as Reason);
      }
      case 'waiting-for-human':
        return this.waiting(entry);
      case 'incident-ended':
        return this.ended(entry);
      default:
        return null;
    }
  }

  /** The operation stopped at a step, or no version may take over; that a settled one is unconfirmed is neither. */
  private waiting({ facts, incident }: LedgerEntry): RollbackOutcome | null {
    if (facts['refused'] !== undefined) return { ...this.reasonOfIncident(incident), outcome: 'waiting-for-human' };
    if (facts['step'] === undefined || this.operation?.id.startsWith('deploy-')) return null;
    return this.outcome('waiting-for-human', this.operation ?? this.reasonOfIncident(incident));
  }

  /** `<operation> was stopped | failed | was abandoned`; every other end is that of an incident, counted before. */
  private ended({ summary, incident }: LedgerEntry): RollbackOutcome | null {
    const [, operation = '', how] = /^(\S+) (was stopped|failed|was abandoned):/.exec(summary) ?? [];
    if (how === undefined || operation.startsWith('deploy-')) return null;
    const outcome = how === 'failed' ? 'failed' : how === 'was stopped' ? 'cancelled' : 'abandoned';
    const known = this.operation?.id === operation ? this.operation : null;
    const reason = known ?? this.reasonOfIncident(incident);
    return { cause: reason.cause, tier: reason.tier, outcome: prefixed(operation, outcome) };
  }

  private outcome(outcome: string, { cause, tier }: Reason): RollbackOutcome {
    return { cause, tier, outcome: prefixed(this.operation?.id ?? '', outcome) };
  }

  private reasonOfDecision({ facts, incident, actor }: LedgerEntry): Reason {
    if (incident === null && actor.proof !== 'lastgood') return { cause: 'operator', tier: 'none' };
    const { verdict } = facts;
    // The hold move of an incident has its reason; so has one whose degradation was over when a person approved.
    if (verdict === undefined) {
      const { cause, tier } = this.reasonOfIncident(incident);
      const stated = causeOf(facts['attribution']);
      return { cause: stated === 'unknown' ? cause : stated, tier };
    }
    return { cause: causeOf(facts['attribution']), tier: tierOf(inner(verdict, 'tier')) };
  }

  /** Why the verdict's degradation was said to have begun; for a proposal, which names none, the newest one. */
  private reasonOfVerdict(verdict: Json | undefined): Reason {
    const metric = verdict === undefined ? null : metricOf(inner(verdict, 'metric'));
    const known = this.standing.findLast((one) => metric === null || one.metric === metric);
    return {
      cause: known?.cause ?? 'unknown',
      tier: verdict === undefined ? (known?.tier ?? 'unknown') : tierOf(inner(verdict, 'tier')),
    };
  }

  private reasonOfIncident(incident: string | null): Reason {
    const known = incident !== null && this.incident?.id === incident ? this.incident : null;
    if (known) return { cause: known.cause, tier: known.tier };
    return incident === null ? { cause: 'unknown', tier: 'unknown' } : this.reasonOfVerdict(undefined);
  }

  /** Once an incident: the hold move that follows a settled rollback exposes nobody again. */
  private exposureOf({ facts, incident }: LedgerEntry): ExposureStages | null {
    if (incident === null || this.exposed === incident) return null;
    this.exposed = incident;
    const at = (name: string): number | null => {
      const value = facts[name];
      return typeof value === 'number' ? value : null;
    };
    const limits = {
      detect: ['onsetAt', 'detectedAt'],
      decide: ['detectedAt', 'decidedAt'],
      prepare: ['decidedAt', 'preparedAt'],
      shift: ['preparedAt', 'shiftedAt'],
      verify: ['shiftedAt', 'settledAt'],
      // Exposure ends where new requests go to the target; verify only proves that it did.
      total: ['onsetAt', 'shiftedAt'],
    } as const;
    const stages: ExposureStages = {};
    for (const stage of Object.keys(limits) as (keyof typeof limits)[]) {
      const [from, to] = limits[stage];
      const [began, ended] = [at(from), at(to)];
      // Clocks of two processes may disagree by a moment.
      if (began !== null && ended !== null) stages[stage] = Math.max(0, ended - began);
    }
    return stages;
  }
}

function prefixed(operation: string, outcome: string): string {
  return operation.endsWith('-hold') ? `hold-move-${outcome}` : outcome;
}

function tierOf(value: Json | undefined): TierLabel {
  return tiers.find((tier) => tier === value) ?? 'unknown';
}

function causeOf(value: Json | undefined): CauseLabel {
  return causes.find((cause) => cause === value) ?? 'unknown';
}

function metricOf(value: Json | undefined): string {
  return textOf(value)?.split(':')[0] ?? 'unknown';
}

function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function inner(value: Json | undefined, key: string): Json | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return (value as { readonly [name: string]: Json })[key];
}
