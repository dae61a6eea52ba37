import type { ServicePolicy } from '../policy';
import type { Tier } from '../detection/types';

/**
 * `emergency`: a standby with a fresh proof takes the traffic at once. `standard`: every step in order.
 * `gradual`: the shift goes through stages with a check between them.
 */
export type Procedure = 'emergency' | 'standard' | 'gradual';

export type StepName =
  'validate' | 'gap' | 'load' | 'probe' | 'shadow' | 'stages' | 'shift' | 'verify' | 'caches' | 'items' | 'settle';

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
  /** Memory holds one copy: the old one is stopped before the target is loaded, whatever the procedure. */
  readonly stopFirst?: true;
  /** There are output caches that hold answers of the version that is left. */
  readonly caches?: true;
  /** Pipelines are declared whose items the version that is left may have handled badly. */
  readonly items?: true;
  /** Only what the deadlines are made from, so that an operation can plan again from its pinned limits. */
  readonly policy: Pick<ServicePolicy, 'steps' | 'verify' | 'gradual'>;
}

/** The procedure that a tier asks for, given what is warm. */
export function procedureFor(tier: Tier | null, freshStandby: boolean): Procedure {
  if (tier === 'immediate' && freshStandby) return 'emergency';
  return tier === 'trend' ? 'gradual' : 'standard';
}

/** A cache that does not answer is given up after this, and is brought to the version in the background. */
const CACHES_MS = 5_000;

/** Behind verify, in front of settle: a cache that is down never stops the traffic, nor undoes what was verified. */
function cacheSteps(caches: true | undefined): PlanStep[] {
  if (!caches) return [];
  return [
    { step: 'caches', deadlineMs: CACHES_MS, because: 'no answer of the version that was left is served any more' },
  ];
}

/** The plan as data. The workflow runs it, `--dry-run` prints it, the ledger stores it. */
export function makePlan({ procedure, samples, policy, stopFirst, caches, items }: PlanFacts): PlanStep[] {
  const { steps, verify, gradual } = policy;
  const plan: PlanStep[] = [];
  if (stopFirst) return withGap(policy, caches, items);
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
  plan.push(...cacheSteps(caches));
  plan.push(...itemsStep(policy, items));
  plan.push({ step: 'settle', deadlineMs: steps.shiftMs, because: 'the decision and its outcome are on record' });
  return plan;
}

/** Only fixes what is to be done: the items themselves take as long as they take, and users do not wait for it. */
function itemsStep({ steps }: PlanFacts['policy'], items: true | undefined): PlanStep[] {
  const because = 'what the left version handled badly is treated in its pipelines, beside what follows';
  return items ? [{ step: 'items', deadlineMs: steps.shiftMs, because }] : [];
}

/** Nothing can be compared side by side and no part of the traffic can go first: there are never two copies. */
function withGap(policy: PlanFacts['policy'], caches: true | undefined, items: true | undefined): PlanStep[] {
  const { steps, verify } = policy;
  return [
    {
      step: 'validate',
      deadlineMs: steps.validateMs,
      because: 'every file is checked while the old copy still serves',
    },
    {
      step: 'gap',
      deadlineMs: steps.shiftMs + steps.drainMs + steps.stopGraceMs,
      because:
        'memory holds one copy: the old one finishes its requests and is stopped, and nobody serves from here on',
    },
    { step: 'load', deadlineMs: steps.loadMs, because: 'the target takes the memory of the old copy' },
    { step: 'probe', deadlineMs: steps.probeMs, because: 'readiness, reported digest and golden probes' },
    { step: 'shift', deadlineMs: steps.shiftMs, because: 'the gap ends: the new record is in force and read back' },
    { step: 'verify', deadlineMs: verify.verifyMaxMs + steps.shiftMs, because: 'users are served well again' },
    ...cacheSteps(caches),
    ...itemsStep(policy, items),
    { step: 'settle', deadlineMs: steps.shiftMs, because: 'the decision and its outcome are on record' },
  ];
}
