import { CancellationScope } from '@temporalio/workflow';
import { makePlan, type PlanStep } from '../domain/rollback/plan';
import type { Candidate, OperationInput } from './contract/rollback';
import { settleCaches } from './rollback/caches';
import { Chronicle } from './rollback/chronicle';
import { loadLeftAgain, mayGoOnInGap } from './rollback/gap';
import { Operation, type Ending, type Trial, type TrialEnd } from './rollback/operation';
import { Orders } from './rollback/orders';
import { beginItems } from './rollback/items';
import { discard, tryCandidate } from './rollback/trial';

/**
 * Runs one decided change of the traffic: each candidate through its plan until one serves and is verified. It reports to
 * the service by signals, never by its result, and always ends: settled, failed or cancelled, or it waits for a person.
 */
export async function rollbackWorkflow(input: OperationInput): Promise<void> {
  const chronicle = new Chronicle(input);
  // Before anything is awaited: an order may be in the first activation already.
  const orders = new Orders((problem) => {
    chronicle.record('refused', `an order could not be read: ${problem}`, { problem });
  });
  chronicle.isOrdered = () => orders.isPending;
  // Cancelled from outside: as if the service had ordered it, so that the traffic ends in a declared state.
  CancellationScope.current().cancelRequested.catch(() => orders.stop('cancelled in Temporal'));
  await CancellationScope.nonCancellable(async () => {
    chronicle.start();
    const operation = new Operation(input, orders, chronicle);
    const ending = await untilDecided(operation);
    await Promise.all(operation.stopping.values());
    chronicle.note(`ended: ${ending.outcome}: ${ending.why}`);
    const { record, verified } = operation;
    chronicle.report({ type: 'ended', ...ending, record, idle: operation.idle(), verified });
    await chronicle.close();
  });
}

/** Candidates one after the other; where none can go on by itself, what a person orders. */
async function untilDecided(operation: Operation): Promise<Ending> {
  let trials = plannedTrials(operation.input);
  for (;;) {
    const end = await tryInOrder(operation, trials);
    if (end.kind === 'settled') return { outcome: 'settled', why: end.why };
    if (end.kind === 'stopped') return { outcome: operation.shifted ? 'failed' : 'cancelled', why: end.why };
    const decided = await askPerson(operation, end);
    if ('outcome' in decided) return decided;
    trials = [decided];
  }
}

type Undecided = Extract<TrialEnd, { kind: 'settled' | 'stopped' | 'stuck' }>;
type Stuck = Extract<TrialEnd, { kind: 'stuck' }>;

async function tryInOrder(operation: Operation, trials: readonly Trial[]): Promise<Undecided> {
  for (const [index, trial] of trials.entries()) {
    const end = await tryCandidate(operation, trial);
    if (end.kind === 'stuck' && operation.inGap) return await outOfGap(operation, end);
    if (end.kind !== 'failed') return end;
    const next = operation.inGap && !mayGoOnInGap(operation) ? null : (trials[index + 1] ?? null);
    await drop(operation, end, next);
    if (next === null) {
      const why = `${end.step} of ${end.trial.candidate.version}: ${end.why}`;
      const stuck = { ...end, kind: 'stuck', why } as const;
      return operation.inGap ? await outOfGap(operation, stuck) : stuck;
    }
  }
  return { kind: 'stuck', step: 'select', why: 'there is no candidate', trial: null };
}

/** Nobody serves while a person thinks: the version that was left comes back first. A retry stops it again. */
async function outOfGap(operation: Operation, stuck: Stuck): Promise<Stuck> {
  const where = await loadLeftAgain(operation, stuck.why);
  const { trial } = stuck;
  const again = trial && {
    ...trial,
    from: Math.max(
      0,
      trial.plan.findIndex(({ step }) => step === 'gap'),
    ),
    backend: null,
  };
  return { ...stuck, why: `${stuck.why}; ${where}`, trial: again };
}

/** To go on with another version is a decision of its own: durable before its first effect. */
async function drop(
  operation: Operation,
  failed: Extract<TrialEnd, { kind: 'failed' }>,
  next: Trial | null,
): Promise<void> {
  const { step, why, trial } = failed;
  const { version } = trial.candidate;
  const then = next === null ? 'none is left' : `${next.candidate.version} is tried (${next.candidate.why})`;
  operation.chronicle.report({ type: 'dropped', version, step, why, next: next?.candidate.version ?? null });
  await operation.chronicle.decide(
    'candidate-dropped',
    `${version} is dropped at ${step}: ${why}; ${then}`,
    {
      version,
      step,
      why,
      next: next?.candidate.version ?? null,
    },
    () => operation.orders.stopWhy !== null,
  );
  // The last one keeps its copy: a person may order the failed step again.
  if (next !== null) discard(operation, trial);
}

async function askPerson(operation: Operation, stuck: Stuck): Promise<Ending | Trial> {
  const { orders, chronicle, input } = operation;
  chronicle.note(`**waits for a person** at ${stuck.step}: ${stuck.why}; the traffic is on ${operation.primary}`);
  chronicle.report({ type: 'waiting', step: stuck.step, why: stuck.why, primary: operation.primary });
  for (;;) {
    const order = await orders.next();
    chronicle.note(`order: ${order.type}`);
    switch (order.type) {
      case 'stop':
        return { outcome: operation.shifted ? 'failed' : 'cancelled', why: order.why };
      case 'abort':
        return { outcome: 'failed', why: `ended by a person at ${stuck.step}: ${stuck.why}` };
      case 'accept':
        // Whatever serves by now is what people were asked to accept; nothing of what was left may come from a cache.
        if (operation.shifted) {
          await settleCaches(operation, operation.primary);
          await beginItems(operation, operation.primary);
        }
        return { outcome: 'settled', why: `accepted by a person as it is, at ${stuck.step}: ${stuck.why}` };
      case 'retry':
        if (stuck.trial === null) continue;
        operation.renewMandate();
        return stuck.trial;
      case 'choose':
        operation.renewMandate();
        return newTrial(order.candidate, input.procedure === 'emergency' ? standardPlan(input) : input.plan);
    }
  }
}

/** The first candidate of an emergency is warm and proven; whoever comes after it goes through every step. */
function plannedTrials(input: OperationInput): Trial[] {
  return input.candidates.slice(0, input.limits.attempts.maxCandidates).map((candidate, index) => {
    const atOnce = input.procedure === 'emergency' && index === 0 && candidate.warm !== null;
    const plan = input.procedure === 'emergency' && !atOnce ? standardPlan(input) : input.plan;
    const trial = newTrial(candidate, plan);
    if (!atOnce || candidate.warm === null) return trial;
    const { proofAt: _proofAt, ...backend } = candidate.warm;
    return { ...trial, backend };
  });
}

function newTrial(candidate: Candidate, plan: readonly PlanStep[]): Trial {
  return { candidate, plan, from: 0, backend: null };
}

function standardPlan(input: OperationInput): PlanStep[] {
  const stopFirst = input.stopFirst && ({ stopFirst: true } as const);
  const caches = input.caches && ({ caches: true } as const);
  const items = input.items && ({ items: true } as const);
  return makePlan({ procedure: 'standard', samples: false, policy: input.limits, ...stopFirst, ...caches, ...items });
}
