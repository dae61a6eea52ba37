import { setTimeout as pause } from 'node:timers/promises';
import type { FaultProof, PreparedFault } from '../../activities/ports';
import type { Experiment } from '../../domain/chaos/experiment';
import type { Observations, SteadyLook } from '../../domain/chaos/observations';
import { readVerdict, type ChaosResult } from '../../domain/chaos/verdict';
import { endWaiting, putBack } from './clean-up';
import { Observer } from './observer';
import { awaitOutcome } from './outcome';
import type { RunParts, RunReport } from './run-parts';
import type { RunState } from './state-file';
import { endFacts, recordEnd, wordsOf } from './record';
import { awaitSteady } from './steady';
import { targetOf, withVersion } from './target';
import type { ServiceFacts } from './world';

export type { ChaosResult, Experiment, RunParts, RunReport };

const STEP_POLL_MS = 10;
/** From an accepted act to the step. */
const STEP_WITHIN_MS = 60_000;

/**
 * One run: steady state, trigger and fault, what comes of it, everything taken back, steady state again. Whatever happens
 * in between, the fault is taken back and the end is in the ledger. Rejects only before anything was done.
 */
export async function runExperiment(
  experiment: Experiment,
  parts: RunParts,
  identity: Pick<RunState, 'run' | 'pid' | 'startTime'>,
): Promise<RunReport> {
  const { world, stateFile, reason, say } = parts;
  const { run } = identity;
  const about = { run, experiment: experiment.name, reason };
  const startedAt = Date.now();
  const observer = new Observer(world, await world.ledgerHead());
  const { state: now } = await observer.look();
  if (now === null) throw new Error('the service workflow does not answer; nothing was done');
  const before = now.declared?.primary ?? null;
  const state: RunState = {
    schema: 1,
    ...identity,
    experiment: experiment.name,
    service: experiment.service,
    startedAt,
    before,
    fault: null,
  };
  await stateFile.write(state);
  await world
    .record({
      ...about,
      phase: 'began',
      atMs: startedAt,
      summary: `chaos experiment ${experiment.name} begins: ${experiment.why}`,
      facts: { fault: experiment.fault.kind, at: experiment.at, trigger: experiment.trigger.kind },
    })
    .catch(async (fault: unknown) => {
      await stateFile.clear();
      throw fault;
    });
  const made = new Run(experiment, parts, observer, state);
  const observations = await made.observe();
  const result = readVerdict(experiment, observations);
  const leftovers = await made.leftovers();
  await recordEnd(world, {
    ...about,
    phase: 'ended',
    atMs: Date.now(),
    summary: `chaos experiment ${experiment.name} ${result.verdict}`,
    facts: endFacts(result, observations, leftovers),
  }).catch((fault: unknown) => {
    leftovers.push(`the end of the run is not in the ledger: ${wordsOf(fault)}`);
  });
  if (leftovers.length === 0) await stateFile.clear();
  for (const line of leftovers) say(`left behind: ${line}`);
  return { ...result, run, experiment: experiment.name, service: experiment.service, observations, leftovers };
}

class Run {
  private fault: PreparedFault | null = null;
  private injected: FaultProof | null = null;
  private injectedAt: string | null = null;
  private removed: FaultProof | null = null;
  private notInjected: string | null = null;
  private notRemoved: string | null = null;
  private notEnded: string | null = null;
  private target: string | null = null;
  private moved = false;

  constructor(
    private readonly experiment: Experiment,
    private readonly parts: RunParts,
    private readonly observer: Observer,
    private readonly state: RunState,
  ) {}

  async observe(): Promise<Observations> {
    const { experiment, observer } = this;
    const { world, signal, say, startUsers } = this.parts;
    const users = startUsers(experiment.users.perSecond);
    const steady = (withinMs: number): Promise<SteadyLook> =>
      awaitSteady(experiment.steadyState, { observer, users, signal }, withinMs);
    let ended: Awaited<ReturnType<typeof awaitOutcome>> = { outcome: null, primary: null };
    let steadyAfter: SteadyLook | null = null;
    const steadyBefore = await steady(experiment.steadyState.withinMs);
    say(steadyBefore.holds ? 'steady state: yes' : `steady state: no, ${steadyBefore.why}`);
    try {
      if (steadyBefore.holds && !signal.aborted) {
        await this.triggerAndInject();
        if (this.injected !== null) {
          ended = await awaitOutcome(experiment, observer, signal);
          say(`outcome: ${ended.outcome ?? 'none in time'}, the traffic is on ${ended.primary ?? '?'}`);
        }
      }
    } catch (fault) {
      this.notInjected ??= wordsOf(fault);
      say(`stopped: ${wordsOf(fault)}`);
    } finally {
      this.parts.hold?.release();
      await this.takeBack();
    }
    await this.settleDown();
    if (this.injected !== null && !signal.aborted) {
      const leftMs = this.injected.at + experiment.recoverWithinMs - Date.now();
      steadyAfter = await steady(Math.max(leftMs, 2_000));
      say(steadyAfter.holds ? 'steady state: back' : `steady state: not back, ${steadyAfter.why}`);
    }
    await users.stop();
    await observer.look();
    const entries = await observer.ledger();
    const chain = await world.chain().catch(() => null);
    return {
      steadyBefore,
      before: this.state.before,
      target: this.target,
      notInjected: this.notInjected,
      injected: this.injected,
      injectedAt: this.injectedAt,
      removed: this.removed,
      notRemoved: this.notRemoved,
      outcome: ended.outcome,
      primary: ended.primary,
      entries,
      users: users.tally(this.injected?.at ?? null),
      routes: observer.routes,
      chain,
      steadyAfter,
      stopped: signal.aborted,
    };
  }

  /** After the verdict: the version that was live before. What could not be taken back, in words. */
  async leftovers(): Promise<string[]> {
    const left = this.notRemoved === null ? [] : [`${this.notRemoved}; take it back with lastgood chaos abort`];
    if (this.notEnded !== null) left.push(this.notEnded);
    const { before, run } = this.state;
    if (this.injected === null && !this.moved) return left;
    if (!this.experiment.putBack || before === null) return left;
    const why = await putBack(this.parts.world, this.observer, { run, before }).catch(wordsOf);
    return why === null ? left : [...left, `${before} is not live again: ${why}`];
  }

  private async triggerAndInject(): Promise<void> {
    const { experiment, parts } = this;
    const state = this.observer.state;
    if (state === null) throw new Error('the service workflow does not answer');
    if (experiment.trigger.kind === 'manual-rollback') this.target = targetOf(experiment.trigger, state);
    // A fault that selects nothing is known before anything is done, wherever that can be known.
    if (!this.isAboutTargetCopy()) await this.prepare(state);
    if (experiment.at === 'before') await this.inject('before');
    if (experiment.trigger.kind === 'none') return;
    if (experiment.at !== 'before') parts.hold?.arm(experiment.at);
    const answer = await parts.world.act('rollback', {
      ...(this.target === null ? {} : { to: this.target }),
      reason: `chaos run ${this.state.run}: ${experiment.name}`,
    });
    if (answer.decision !== 'accepted') throw new Error(`the rollback was refused: ${answer.why}`);
    this.moved = true;
    parts.say(`rollback ${answer.reference ?? ''} to ${this.target ?? 'what the service chooses'}`);
    if (experiment.at === 'before') return;
    const during = await this.awaitStep(experiment.at);
    await this.prepare(during);
    await this.inject(experiment.at);
    parts.hold?.release();
  }

  /** Of a target that nobody has started yet there is no copy to choose. */
  private isAboutTargetCopy(): boolean {
    const { fault } = this.experiment;
    return (fault.kind === 'kill-serving' || fault.kind === 'freeze-serving') && fault.version === 'target';
  }

  private async prepare(state: ServiceFacts): Promise<void> {
    const { experiment, parts } = this;
    this.fault = await parts.faults.prepare(
      experiment.service,
      withVersion(experiment.fault, this.state.before, this.target, state),
    );
    await parts.stateFile.write({ ...this.state, fault: this.fault });
  }

  private async awaitStep(step: string): Promise<ServiceFacts> {
    const { observer, parts } = this;
    const deadline = performance.now() + STEP_WITHIN_MS;
    let seen = false;
    for (;;) {
      const { state } = await observer.look();
      seen ||= Boolean(state?.operation);
      if (parts.hold?.isHeld(step) === true && state !== null) return state;
      if (state?.operation?.step === step) {
        // It is in the step already; where it can be held it stands still a moment later.
        if (parts.hold === null || step === 'settle') return state;
      }
      const over = seen && state?.operation === null;
      if (over || state?.operation?.waiting)
        throw new Error(`the rollback was over before it was seen in the step ${step}`);
      if (parts.signal.aborted) throw new Error('aborted');
      if (performance.now() >= deadline) throw new Error(`the step ${step} was not reached within 60 s`);
      await pause(STEP_POLL_MS);
    }
  }

  private async inject(step: string): Promise<void> {
    const { parts, fault } = this;
    if (fault === null) throw new Error('nothing was chosen');
    parts.say(`fault at ${step}: ${fault.kind} on ${fault.target}`);
    this.injected = await parts.faults.inject(fault);
    this.injectedAt = step;
    parts.say(this.injected.sentence);
  }

  private async takeBack(): Promise<void> {
    if (this.fault === null) return;
    try {
      this.removed = await this.parts.faults.remove(this.fault);
      this.parts.say(this.removed.sentence);
    } catch (fault) {
      this.notRemoved = wordsOf(fault);
      this.parts.say(`the fault is not gone: ${this.notRemoved}`);
    }
  }

  /** The rollback of this run that waits for a person, and whatever it still does. */
  private async settleDown(): Promise<void> {
    if (!this.moved) return;
    const why = await endWaiting(this.parts.world, this.observer, this.state.run).catch(wordsOf);
    if (why === null) return;
    this.notEnded = why;
    this.parts.say(why);
  }
}
