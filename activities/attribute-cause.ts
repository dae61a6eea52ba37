import { setTimeout as pause } from 'node:timers/promises';
import { attribute, type AttributionResult } from '../domain/detection/attribution';
import { withoutUsual, type PairedLatency, type PairedReplay } from '../domain/detection/paired-evidence';
import { withPlaces } from '../domain/detection/where-to-look';
import type { Json } from '../domain/ledger';
import type { Backend } from '../domain/route';
import type { Sample } from '../gateway/protocol';
import type { ControlActivities } from '../workflows/contract/activities';
import { LATENCY } from './detection/latency-chart';
import { mirrorHeaders } from './detection/mirror';
import { HEAVY_LOAD, loadOf, usualBetween } from './detection/slower-look';
import { changesSeen, environmentSince, onsetOf, quietly, type EnvironmentSeen } from './detection/surroundings';
import { parsed, timeBoth } from './detection/timed-pairs';
import { engineOn } from './engine-on';
import type { ArtifactStore, Engine, Environment, Telemetry, TrafficRouter } from './ports';

export interface AttributionPorts {
  readonly telemetry: Telemetry;
  readonly artifacts: ArtifactStore;
  readonly environment: Environment;
  readonly router: TrafficRouter;
  readonly engine: (service: string) => Engine;
  /** False where a request has effects beyond its answer: then nothing is replayed. */
  readonly repeatable: (service: string) => boolean;
}

type Input = Parameters<ControlActivities['attributeCause']>[0];
type Previous = NonNullable<Input['previous']>;

const SAMPLES_MS = 5_000;
const CALL_MS = 2_000;
/** The whole activity has a minute, whatever the policy allows. */
const REPLAY_MAX_MS = 35_000;
const ENVIRONMENT_MS = 3_000;
const BEFORE_ONSET_MS = 5 * 60_000;
/** Replays yield to live load: one at a time, and at most so many a second. */
const GAP_MS = 20;
/** Fewer samples of the failing class, or since the onset, and the others are asked too. */
const ENOUGH = 8;

/** What was asked of both versions; a text: why it could not be. */
export interface AskedOfBoth {
  readonly answers: PairedReplay | string;
  /** Only for a verdict on times. */
  readonly times?: PairedLatency | string;
}

/**
 * The cause of a verdict. Of answers: labelled inputs of the live version are asked again on the previous one (what the
 * live version answered is known). Of times: the same requests on both copies in turn. Then the environment, then the age
 * of the deploy. Stores nothing; twice is once.
 */
export function attributeCause(ports: AttributionPorts): ControlActivities['attributeCause'] {
  return async (input) => {
    const { now, service, verdict } = input;
    const onset = verdict.onsetMs ?? verdict.sinceMs ?? now;
    const [asked, environment] = await Promise.all([
      askBoth(ports, input),
      environmentSince(ports.environment, service, onset - BEFORE_ONSET_MS, ENVIRONMENT_MS, {
        onset: onsetOf(verdict, now),
      }),
    ]);
    return withPlaces(judgeCause(input, asked, environment), changesSeen(environment));
  };
}

/** What both versions, the environment and the deploy say together. */
export function judgeCause(
  {
    deployedAt,
    explainedBy,
    now,
    verdict,
    version,
    windowCharts,
  }: Pick<Input, 'deployedAt' | 'explainedBy' | 'now' | 'verdict' | 'version' | 'windowCharts'>,
  { answers, times }: AskedOfBoth,
  environment: Pick<EnvironmentSeen, 'changed' | 'unmeasured'>,
): AttributionResult {
  const { expected, observed } = verdict;
  const changed = isOfTimes(verdict)
    ? withLoad(environment.changed, loadOf(windowCharts, version))
    : environment.changed;
  const shares = verdict.unit === 'ratio' && verdict.lcl !== null && expected !== null && observed !== null;
  const limit = verdict.ucl ?? null;
  const marginRatio = isOfTimes(verdict) && expected !== null && limit !== null ? limit / expected - 1 : null;
  const { attribution, reasons } = attribute({
    ...(typeof answers === 'string' ? {} : { pairedReplay: answers }),
    ...(marginRatio !== null && typeof times === 'object'
      ? { pairedLatency: { ...withoutUsual(times, usualBetween(windowCharts, version)), marginRatio } }
      : {}),
    environment: { changed, unmeasured: environment.unmeasured },
    ...(explainedBy === undefined ? {} : { explainedBy }),
    deployAtMs: deployedAt,
    onsetMs: verdict.onsetMs,
    onsetLowMs: verdict.onsetLowMs,
    onsetHighMs: verdict.onsetHighMs,
    deployAgeMs: deployedAt === null ? null : now - deployedAt,
    hard: verdict.hard,
    ...(shares ? { expectedWrongRate: 1 - expected, observedWrongRate: 1 - observed } : {}),
  });
  const missing = isOfTimes(verdict) ? times : answers;
  return { attribution, reasons: typeof missing === 'string' ? [...reasons, `no replay: ${missing}`] : reasons };
}

/** A flood that began long before this verdict is no change of the last minutes any more, and slows the live copy all the same. */
function withLoad(changed: readonly string[], load: number): string[] {
  if (load < HEAVY_LOAD || changed.some((name) => name.startsWith('users:rate'))) return [...changed];
  return [...changed, `users:rate (${load.toFixed(1)} times that of its history)`];
}

function isOfTimes({ metric, unit }: Input['verdict']): boolean {
  return metric === LATENCY && unit === 'ms';
}

async function askBoth(ports: AttributionPorts, input: Input): Promise<AskedOfBoth> {
  const { previous, service } = input;
  const why =
    previous === null
      ? 'no copy of a previous version is running'
      : !ports.repeatable(service)
        ? 'requests of this service are not repeatable'
        : input.replay.maxInputs === 0
          ? 'the policy allows none (detection.replay.maxInputs)'
          : null;
  if (why !== null || previous === null)
    return { answers: why ?? '', ...(isOfTimes(input.verdict) && { times: why ?? '' }) };
  if (!isOfTimes(input.verdict)) return { answers: await replayed(ports, input, previous) };
  return {
    answers: 'the verdict is on times',
    times: await timeBoth(ports, { ...input, previous, budgetMs: Math.min(REPLAY_MAX_MS, input.replay.budgetMs) }),
  };
}

/** The pairs, or why there are none. */
async function replayed(ports: AttributionPorts, input: Input, previous: Previous): Promise<PairedReplay | string> {
  const { model, replay, service, version } = input;
  const query = { version, labelled: true, limit: replay.maxInputs };
  const [state, found, output] = await Promise.all([
    quietly(SAMPLES_MS, 'the route', () => ports.router.read(service)),
    quietly(SAMPLES_MS, 'the samples', () => ports.telemetry.samples(service, query)),
    quietly(SAMPLES_MS, 'the probes', () => labelOutput(ports.artifacts, service, previous.version)),
  ]);
  if (found === null) return 'the samples could not be read';
  if (found.off) return 'samples are off';
  if (output === null) return 'no golden probe names the output that holds the answer';
  const { samples, ofTheFault } = chosen(input, found.samples);
  const live = state?.record?.backends[version]?.[0] ?? null;
  const until = performance.now() + Math.min(REPLAY_MAX_MS, replay.budgetMs);
  const ask = (backend: Backend, request: Json): Promise<string | null> =>
    answerOf(engineOn(ports.engine(service), backend), backend.address, model, request, output);
  const pairs = { n: 0, currentWrong: 0, previousWrong: 0, bothWrong: 0 };
  for (const { body, label, predicted } of samples) {
    if (performance.now() >= until) break;
    const request = parsed(body);
    if (request === undefined) continue;
    const answer = await ask(previous, request);
    if (answer === null) continue;
    pairs.n += 1;
    const before = answer === label;
    // What was wrong then and is right now was not the version: what failed behind it has healed since.
    const again = before && predicted !== label && live !== null ? await ask(live, request) : null;
    const ofLive = predicted === label || again === label;
    if (!ofLive && before) pairs.currentWrong += 1;
    if (ofLive && !before) pairs.previousWrong += 1;
    if (!ofLive && !before) pairs.bothWrong += 1;
    await pause(GAP_MS);
  }
  return pairs.n === 0 ? 'there are no labelled samples of the live version' : { ...pairs, ofTheFault };
}

/** Those of the failing class since the onset, where there are enough; else with the other classes, else older ones too. */
function chosen({ verdict, replay }: Input, samples: readonly Sample[]): { samples: Sample[]; ofTheFault: boolean } {
  const labelled = samples.filter(({ label, predicted }) => label !== null && predicted !== null);
  const since = labelled.filter(({ atMs }) => atMs >= (verdict.onsetLowMs ?? verdict.onsetMs ?? 0));
  const ofClass = since.filter(({ label }) => verdict.classLabel === undefined || label === verdict.classLabel);
  const best = [ofClass, since, labelled].find((some) => some.length >= ENOUGH) ?? labelled;
  return { samples: best.slice(0, replay.maxInputs), ofTheFault: best === ofClass };
}

/** The output that the golden probes judge a text by, e.g. `label`. */
async function labelOutput(artifacts: ArtifactStore, service: string, version: string): Promise<string | null> {
  const probes = await artifacts.probes(service, version);
  return probes.find(({ expect }) => typeof expect.value === 'string')?.expect.output ?? null;
}

/** Null where it gave no answer: a copy that is busy or restarting says nothing about which version is worse. */
async function answerOf(
  engine: Engine,
  address: string,
  model: string,
  request: Json,
  output: string,
): Promise<string | null> {
  const ask = (): ReturnType<Engine['infer']> =>
    engine.infer(address, model, request, { timeoutMs: CALL_MS, headers: mirrorHeaders });
  const answer = await quietly(CALL_MS + 500, 'a replayed request', ask);
  const found = answer?.status === 200 ? answer.outputs[output] : undefined;
  return found === undefined ? null : String(found);
}
