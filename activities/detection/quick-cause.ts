import { attribute, type AttributionResult } from '../../domain/detection/attribution';
import type { Verdict } from '../../domain/detection/types';
import { withPlaces } from '../../domain/detection/where-to-look';
import type { WatchInput } from '../../workflows/contract/activities';
import { AnswerLate, within } from '../failures';
import { engineOn } from '../engine-on';
import { askProbes, lookAt } from '../golden-probes';
import type { ArtifactStore, Engine, Environment } from '../ports';
import { changesSeen, environmentSince, lookedAtWhatIsShared, onsetOf, type EnvironmentSeen } from './surroundings';

/** Users wait while these run: what does not answer in time is `unmeasured`, neither good nor bad. */
const ENVIRONMENT_MS = 150;
const STANDBY_MS = 300;
/** Longer than the whole pass may take, so that a slow call ends it as late and not as failed. */
const CALL_MS = 1_000;
/** An environment signal may have moved a little before the first failure that users met. */
const BEFORE_ONSET_MS = 60_000;

export interface CausePorts {
  readonly artifacts: ArtifactStore;
  readonly environment: Environment;
  readonly engine: (service: string) => Engine;
}

export type StandbyAnswer =
  { readonly state: 'passed' | 'unmeasured' } | { readonly state: 'failed'; readonly why: string };

/**
 * Cause of an immediate verdict, asked within 300 ms: does the previous version answer its golden probes on the same
 * host at this moment, did the environment change, did it begin with a deploy? Read-only; never rejects.
 */
export async function quickCause(ports: CausePorts, input: WatchInput, verdict: Verdict): Promise<AttributionResult> {
  const now = Date.now();
  const onset = verdict.onsetMs ?? now;
  const [environment, standby] = await Promise.all([
    environmentSince(ports.environment, input.service, onset - BEFORE_ONSET_MS, ENVIRONMENT_MS, {
      onset: onsetOf(verdict, now),
      known: true,
    }),
    proveStandby(ports, input),
  ]);
  return withPlaces(judgeQuickly(input, verdict, { environment, standby, now }), changesSeen(environment));
}

/** What the quick looks say together. */
export function judgeQuickly(
  { deployedAt, standby: copy }: Pick<WatchInput, 'deployedAt' | 'standby'>,
  verdict: Verdict,
  seen: {
    readonly environment: Pick<EnvironmentSeen, 'changed' | 'unmeasured'>;
    readonly standby: StandbyAnswer;
    readonly now: number;
  },
): AttributionResult {
  const { environment, standby, now } = seen;
  const result = attribute({
    environment: { changed: environment.changed, unmeasured: environment.unmeasured },
    deployAtMs: deployedAt,
    onsetMs: verdict.onsetMs,
    onsetLowMs: verdict.onsetLowMs,
    onsetHighMs: verdict.onsetHighMs,
    deployAgeMs: deployedAt === null ? null : now - deployedAt,
    hard: verdict.hard,
    standbyProofFailedToo: standby.state === 'failed',
  });
  if (standby.state === 'failed') return { ...result, reasons: [...result.reasons, standby.why] };
  if (standby.state !== 'passed') return result;
  const reasons = [...result.reasons, `${copy?.version ?? ''} answers its golden probes on the same host now`];
  // The same environment serves the previous version well, and somebody looked whether it changed.
  const isModel = result.attribution === 'undetermined' && lookedAtWhatIsShared(environment);
  const attribution = isModel ? 'model' : result.attribution;
  return { attribution, reasons };
}

async function proveStandby(ports: CausePorts, { service, model, standby }: WatchInput): Promise<StandbyAnswer> {
  if (standby === null) return { state: 'unmeasured' };
  const { version, digest, address } = standby;
  const engine = engineOn(ports.engine(service), standby);
  const late = AbortSignal.timeout(STANDBY_MS);
  const prove = async (): Promise<StandbyAnswer> => {
    const asked = { engine, address, model, timeoutMs: CALL_MS };
    const probes = ports.artifacts.probes(service, version);
    probes.catch(() => undefined);
    const seen = await lookAt(asked, { digest, version });
    if (!seen.ok) return { state: 'failed', why: `the standby ${version}: ${seen.why}` };
    const answered = await askProbes(asked, await probes, late);
    return answered.ok ? { state: 'passed' } : { state: 'failed', why: `the standby ${version}: ${answered.why}` };
  };
  const proof = prove();
  // The loser of the race below may still reject; nobody asks it any more.
  proof.catch(() => undefined);
  try {
    return await within(STANDBY_MS, 'the proof of the standby', proof);
  } catch (error) {
    if (error instanceof AnswerLate) return { state: 'unmeasured' };
    // The store could not be read, or the pass was too slow: nothing is known of the copy.
    return { state: 'unmeasured' };
  }
}
