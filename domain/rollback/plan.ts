import type { ServicePolicy } from '../policy';
import type { Tier } from '../detection/types';

/**
 * `emergency`: a standby with a fresh proof takes the traffic at once. `standard`: every step in order.
 * `gradual`: the shift goes through stages with a check between them.
 */
export type Procedure = 'emergency' | 'standard' | 'gradual';

export type StepName = 'validate' | 'load' | 'probe' | 'shadow' | 'stages' | 'shift' | 'verify' | 'settle';

/** One step of a plan; it must succeed within its deadline before the next one begins. */
export interface PlanStep {
  readonly step: StepName;
  readonly deadlineMs: number;
  /** Why the step is in the plan, or what stands in for it. */
  readonly because: string;
}

export interface PlanFacts {
  readonly procedure: Procedure;
  /** Sampled inputs exist, so that the target can be compared on today's traffic before the shift. */
  readonly samples: boolean;
  /** Only what the deadlines are made from, so that an operation can plan again from its pinned limits. */
  readonly policy: Pick<ServicePolicy, 'steps' | 'verify' | 'gradual'>;
}

/** The procedure that a tier asks for, given what is warm. */
export function procedureFor(tier: Tier | null, freshStandby: boolean): Procedure {
  if (tier === 'immediate' && freshStandby) return 'emergency';
  return tier === 'trend' ? 'gradual' : 'standard';
}

/** The plan as data. The workflow runs it, `--dry-run` prints it, the ledger stores it. */
export function makePlan({ procedure, samples, policy }: PlanFacts): PlanStep[] {
  const { steps, verify, gradual } = policy;
  const plan: PlanStep[] = [];
  if (procedure === 'emergency') {
    plan.push({
      step: 'shift',
      deadlineMs: steps.shiftMs,
      because: 'the standby holds a fresh proof: artifact, digest, golden probes',
    });
  } else {
    plan.push({
      step: 'validate',
      deadlineMs: steps.validateMs,
      because: 'every file is checked against the manifest',
    });
    plan.push({ step: 'load', deadlineMs: steps.loadMs, because: 'the target must run before it may be chosen' });
    plan.push({ step: 'probe', deadlineMs: steps.probeMs, because: 'readiness, reported digest and golden probes' });
    if (samples)
      plan.push({
        step: 'shadow',
        deadlineMs: steps.probeMs,
        because: 'recent real inputs, answered by the target first',
      });
    if (procedure === 'gradual')
      plan.push({
        step: 'stages',
        deadlineMs: gradual.stages.length * gradual.stageMs + steps.shiftMs,
        because: `${gradual.stages.length} stages with a check between them`,
      });
    plan.push({
      step: 'shift',
      deadlineMs: steps.shiftMs,
      because: 'the new record is in force, read back and seen in traffic',
    });
  }
  plan.push({ step: 'verify', deadlineMs: verify.verifyMaxMs + steps.shiftMs, because: 'users are served well again' });
  plan.push({ step: 'settle', deadlineMs: steps.shiftMs, because: 'the decision and its outcome are on record' });
  return plan;
}
