import type { Experiment } from './experiment';
import { readInvariant, type InvariantReading } from './invariants';
import type { Observations } from './observations';

/**
 * `passed`: the fault happened, everything expected was seen, the fault is gone, the steady state is back. `failed`: the
 * fault happened and something expected was not seen. `void`: nothing is proven, for example because the fault did not
 * happen, or what was expected could not be measured. `aborted`: stopped by a person.
 */
export type ChaosVerdict = 'passed' | 'failed' | 'void' | 'aborted';

export interface Finding {
  readonly what: string;
  /** Null: it could not be told. */
  readonly ok: boolean | null;
  readonly why: string;
}

export interface ChaosResult {
  readonly verdict: ChaosVerdict;
  readonly findings: readonly Finding[];
  readonly invariants: readonly InvariantReading[];
  /** From the fault in effect to the steady state that is back, in milliseconds; null where one of them was not seen. */
  readonly recoverMs: number | null;
}

/** Strict: what was not seen is never a pass, and a fault that did not happen proves nothing. */
export function readVerdict(experiment: Experiment, seen: Observations): ChaosResult {
  const invariants = experiment.expect.invariants.map((invariant) => readInvariant(invariant, experiment, seen));
  const happened = [steadyBefore(seen), injected(experiment, seen)];
  const expected = [
    outcome(experiment, seen),
    ...targetDropped(experiment, seen),
    ...primary(experiment, seen),
    ...users(experiment, seen),
  ];
  const afterwards = [removed(seen), recovered(experiment, seen)];
  const findings = [...happened, ...expected, ...afterwards];
  const recoverMs =
    seen.injected !== null && seen.steadyAfter?.holds === true
      ? Math.max(0, seen.steadyAfter.at - seen.injected.at)
      : null;
  return { verdict: verdictOf(), findings, invariants, recoverMs };

  function verdictOf(): ChaosVerdict {
    if (seen.stopped) return 'aborted';
    if (happened.some(({ ok }) => ok !== true)) return 'void';
    const rest = [...expected, ...afterwards].map(({ ok }) => ok).concat(invariants.map(({ holds }) => holds));
    if (rest.includes(false)) return 'failed';
    return rest.includes(null) ? 'void' : 'passed';
  }
}

function steadyBefore({ steadyBefore: look }: Observations): Finding {
  const what = 'steady state before';
  if (look === null) return { what, ok: null, why: 'it was not looked at' };
  return { what, ok: look.holds, why: look.holds ? 'it held' : look.why };
}

function injected(experiment: Experiment, { injected: proof, notInjected, injectedAt }: Observations): Finding {
  const what = 'the fault happened';
  if (proof === null) return { what, ok: false, why: notInjected ?? 'nothing proves it' };
  const wanted = experiment.at;
  if (experiment.trigger.kind === 'none' || injectedAt === wanted) return { what, ok: true, why: proof.sentence };
  return {
    what,
    ok: false,
    why: `${proof.sentence}, but in the step ${injectedAt ?? 'after the last one'} and not in ${wanted}`,
  };
}

function outcome({ expect }: Experiment, { outcome: came }: Observations): Finding {
  const wanted = expect.outcomes.join(' or ');
  if (came === null)
    return { what: 'outcome', ok: false, why: `none within ${expect.withinMs / 1_000} s, expected ${wanted}` };
  const ok = (expect.outcomes as readonly string[]).includes(came);
  return { what: 'outcome', ok, why: ok ? came : `found ${came}, expected ${wanted}` };
}

function targetDropped({ expect }: Experiment, { target, entries }: Observations): Finding[] {
  if (expect.targetDropped === null) return [];
  const what = expect.targetDropped ? 'the target was dropped' : 'the target was not dropped';
  if (target === null) return [{ what, ok: null, why: 'there was no target' }];
  const failure = entries.find(({ kind, facts }) => kind === 'step-failed' && facts['version'] === target);
  const why =
    failure === undefined
      ? `no step of ${target} failed`
      : `${String(failure.facts['step'])} of ${target} failed: ${String(failure.facts['why'])}`;
  return [{ what, ok: (failure !== undefined) === expect.targetDropped, why: why.slice(0, 300) }];
}

function primary({ expect }: Experiment, { primary: at, before, target }: Observations): Finding[] {
  const what = 'where the traffic is';
  if (expect.primary === 'any') return [];
  if (at === null || before === null) return [{ what, ok: null, why: 'the route could not be read' }];
  const ok = { same: at === before, moved: at !== before, target: at === target }[expect.primary];
  const wanted = { same: before, moved: `another version than ${before}`, target: target ?? 'a target' };
  return [{ what, ok, why: ok ? `on ${at}` : `on ${at}, expected ${wanted[expect.primary]}` }];
}

function users({ expect, users: plan }: Experiment, { users: tally, target }: Observations): Finding[] {
  const what = 'the users';
  if (tally === null || tally.sent === 0)
    return plan.perSecond === 0 ? [] : [{ what, ok: null, why: 'no counted request was sent' }];
  const { sent, failed, lost, byVersionAfter } = tally;
  const counts = `${sent} requests: ${lost} without an answer, ${failed} failed`;
  const found = [
    {
      what,
      ok: lost <= expect.lostAtMost && failed <= expect.failedAtMost,
      why: `${counts}; at most ${expect.lostAtMost} and ${expect.failedAtMost} may`,
    },
  ];
  if (expect.targetDropped !== true || target === null) return found;
  const by = byVersionAfter[target] ?? 0;
  return [
    ...found,
    { what: 'nobody was answered by the dropped target', ok: by === 0, why: `${by} answers by ${target}` },
  ];
}

function removed({ removed: proof, notRemoved }: Observations): Finding {
  const what = 'the fault is gone';
  return proof === null
    ? { what, ok: false, why: notRemoved ?? 'nothing proves it' }
    : { what, ok: true, why: proof.sentence };
}

function recovered({ recoverWithinMs }: Experiment, { steadyAfter: look, injected: proof }: Observations): Finding {
  const what = 'steady state after';
  if (look === null || proof === null) return { what, ok: null, why: 'it was not looked at' };
  if (!look.holds) return { what, ok: false, why: look.why };
  const tookMs = look.at - proof.at;
  const why = `back after ${(tookMs / 1_000).toFixed(1)} s, at most ${recoverWithinMs / 1_000} s`;
  return { what, ok: tookMs <= recoverWithinMs, why };
}
