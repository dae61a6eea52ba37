import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { Verdict } from '../domain/detection/types';
import type { Backend } from '../domain/route';
import type { Baseline } from './contract/activities';
import type { DrillEnding, DrillInput, DrillTimes } from './contract/drill';
import { control, drills, hostOf } from './proxies';
import { lostCall } from './rollback/activity-failure';
import { DrillTalk } from './drill/talk';

/** The rest of the step's time is for the answer. */
const LOAD_SHARE = 0.9;
/** Fewer answers say nothing: the shortest run of failures that any chart could call a change. */
const ANSWERS_MIN = 10;
const ORDER_MS = 60_000;

/** The drill ends here, in this way; thrown so that the story reads as the story. */
class DrillOver extends Error {
  constructor(
    readonly outcome: DrillEnding['outcome'],
    why: string,
  ) {
    super(why);
  }
}

/**
 * One drill: the worse version is loaded, gets its share, must be found, and is led back from. The service changes the
 * route, each time that it is asked; this one measures. Killed at any moment it leaves a share that ends by itself, and a
 * service that ends the drill at its deadline.
 */
export async function drillWorkflow(input: DrillInput): Promise<void> {
  const talk = new DrillTalk(input);
  CancellationScope.current().cancelRequested.catch(() => talk.stop('cancelled in Temporal'));
  await CancellationScope.nonCancellable(async () => {
    const run = new DrillRun(input, talk);
    const ending = await run.ending();
    // Stopped by the service it is over there already; by somebody in Temporal the service takes the share off.
    talk.note(`${ending.outcome}: ${ending.why}`);
    await talk.report({ type: 'ended', ...ending });
  });
}

class DrillRun {
  private times: DrillTimes = { onsetAt: null, detectedAt: null, shiftedAt: null, restoredAt: null };
  private verdict: Verdict | null = null;
  private answers = 0;

  constructor(
    private readonly input: DrillInput,
    private readonly talk: DrillTalk,
  ) {}

  async ending(): Promise<DrillEnding> {
    let outcome: DrillEnding['outcome'] = 'passed';
    let why: string;
    try {
      why = await this.story();
    } catch (error) {
      if (error instanceof DrillOver) [outcome, why] = [error.outcome, error.message];
      else if (isCancellation(error)) [outcome, why] = ['failed', this.talk.stopWhy ?? 'cancelled'];
      else [outcome, why] = ['failed', lostCall(error).why];
    }
    const { slower, evidence } = await this.compared(outcome);
    return { outcome, why: why.slice(0, 1_000), times: this.times, answers: this.answers, slower, evidence };
  }

  private async story(): Promise<string> {
    const baseline = await this.checked();
    const backend = await this.loaded();
    await this.talk.report({ type: 'loaded', backend });
    const { epoch, until } = await this.talk.ordered('shared', ORDER_MS);
    const sharedAt = await this.inForce(epoch);
    const { verdict } = await this.watched(baseline, { epoch, sharedAt, until });
    await this.talk.report({
      type: 'detected',
      tier: verdict.tier,
      metric: verdict.metric,
      sentence: verdict.sentence.slice(0, 900),
      onsetAt: this.times.onsetAt,
      detectedAt: this.times.detectedAt ?? 0,
    });
    const back = await this.talk.ordered('return', ORDER_MS);
    const shiftedAt = await this.inForce(back.epoch);
    this.times = { ...this.times, shiftedAt };
    const note = await this.verified(back.epoch, shiftedAt);
    const { expect } = this.input;
    if (expect !== null && verdict.tier !== expect)
      throw new DrillOver('failed', `found in the tier ${verdict.tier}, expected ${expect}: ${verdict.sentence}`);
    return `found by ${verdict.metric} (${verdict.tier}), led back, verified: ${note}`;
  }

  private async checked(): Promise<Baseline> {
    const { service, way, degraded } = this.input;
    const checked = await this.talk.unlessStopped(() =>
      drills.checkDrill.executeWithOptions({ summary: 'what the router and the inputs allow' }, [
        { service, way, degraded },
      ]),
    );
    if (!checked.ok) throw new DrillOver('refused', checked.why);
    return checked.baseline;
  }

  /** A copy of its own, so that nothing of the standby or the live version is touched. What users get is probed before. */
  private async loaded(): Promise<Backend | null> {
    const { service, version, digest, instance, model, host, steps, way } = this.input;
    if (instance === null) return null;
    const { validateMs, loadMs, probeMs } = steps;
    const valid = await this.talk.unlessStopped(() =>
      control.validateArtifact.executeWithOptions(
        { scheduleToCloseTimeout: validateMs, startToCloseTimeout: validateMs, summary: version },
        [{ service, version, digest }],
      ),
    );
    if (!valid.ok) throw new DrillOver('failed', `validate: ${valid.why}`);
    const loaded = await this.talk.unlessStopped(() =>
      hostOf(host).loadTarget.executeWithOptions(
        {
          scheduleToStartTimeout: loadMs,
          scheduleToCloseTimeout: 2 * loadMs,
          startToCloseTimeout: loadMs,
          summary: instance,
        },
        [{ service, version, digest, instance, model, readyWithinMs: Math.floor(loadMs * LOAD_SHARE) }],
      ),
    );
    if (!loaded.ok) throw new DrillOver('failed', `load: ${loaded.why}`);
    if (way !== 'live') return loaded.backend;
    const { backend } = loaded;
    const proven = await this.talk.unlessStopped(() =>
      control.probeInstance.executeWithOptions(
        { scheduleToCloseTimeout: probeMs, startToCloseTimeout: probeMs, summary: instance },
        [{ service, version, model, backend }],
      ),
    );
    if (!proven.ok) throw new DrillOver('failed', `probe: ${proven.why}; users must not get it`);
    return backend;
  }

  private async inForce(epoch: number): Promise<number> {
    const { service, steps } = this.input;
    const seen = await this.talk.unlessStopped(() =>
      drills.awaitDrillRoute.executeWithOptions({ summary: `epoch ${epoch} is in force` }, [
        { service, epoch, maxMs: 2 * steps.shiftMs },
      ]),
    );
    if (!seen.ok) throw new DrillOver('failed', seen.why);
    return seen.at;
  }

  private async watched(
    baseline: Baseline,
    { epoch, sharedAt, until }: { readonly epoch: number; readonly sharedAt: number; readonly until: number },
  ): Promise<{ readonly verdict: Verdict }> {
    const { service, version, model, expect, detection: policy } = this.input;
    const watched = await this.withReplay(until, () =>
      drills.watchDrill.executeWithOptions({ summary: `the answers of ${version}` }, [
        { service, version, model, epoch, sinceMs: sharedAt, untilMs: until, expect, baseline, policy },
      ]),
    );
    this.answers = watched.answers;
    this.times = { ...this.times, onsetAt: watched.onsetAt };
    const { verdict } = watched;
    if (verdict === null && watched.answers < ANSWERS_MIN)
      throw new DrillOver('unmeasured', `only ${watched.answers} answers came; nothing can be said by so few`);
    if (verdict === null)
      throw new DrillOver('failed', `not found: ${watched.answers} answers of ${version} broke no limit`);
    this.verdict = verdict;
    this.times = { ...this.times, detectedAt: watched.at };
    return { verdict };
  }

  private async verified(epoch: number, sinceMs: number): Promise<string> {
    const { service, live, model, way, verify } = this.input;
    const maxMs = verify.verifyMaxMs;
    const seen = await this.withReplay(Date.now() + maxMs, () =>
      control.verifyShift.executeWithOptions({ summary: `${live.version} answers` }, [
        {
          service,
          version: live.version,
          model,
          digest: live.digest,
          epoch,
          sinceMs,
          goodAnswers: verify.goodAnswers,
          maxMs,
          ...(way !== 'live' && { cohort: 'drill' as const }),
        },
      ]),
    );
    if (!seen.ok) throw new DrillOver('failed', `verify: ${seen.why}`);
    this.times = { ...this.times, restoredAt: Date.now() };
    return seen.note;
  }

  /** Recorded inputs are asked beside it where the drill is a replay; they end with it. */
  private async withReplay<T>(untilMs: number, watch: () => Promise<T>): Promise<T> {
    const { service, drill, way } = this.input;
    return await this.talk.unlessStopped(async () => {
      if (way !== 'replay') return await watch();
      const inputs = new CancellationScope();
      const asking = inputs.run(() =>
        drills.replayInputs.executeWithOptions({ summary: 'recorded inputs' }, [{ service, drill, untilMs }]),
      );
      asking.catch((error: unknown) => this.talk.note(`recorded inputs: ${String(error)}`));
      try {
        return await watch();
      } finally {
        inputs.cancel();
      }
    });
  }

  private async compared(outcome: DrillEnding['outcome']): Promise<Pick<DrillEnding, 'slower' | 'evidence'>> {
    const nothing = { slower: null, evidence: null };
    if (this.verdict === null || this.talk.stopWhy !== null) return nothing;
    const { service, drill, way } = this.input;
    try {
      const compared = await drills.compareDrill.executeWithOptions({ summary: 'earlier drills' }, [
        { service, drill, way, times: this.times, verdict: this.verdict },
      ]);
      return outcome === 'passed' ? compared : { ...compared, slower: null };
    } catch (error) {
      this.talk.note(`not compared: ${lostCall(error).why}`);
      return nothing;
    }
  }
}
