import type { Json } from '../domain/ledger';
import { exactMcNemar } from '../domain/detection/attribution';
import type { Sample } from '../gateway/protocol';
import type { ControlActivities } from '../workflows/contract/activities';
import { engineOn } from './engine-on';
import { messageOf } from './failures';
import { withHeartbeat } from './heartbeat';
import { mirrorHeaders } from './detection/mirror';
import type { ArtifactStore, Engine, Telemetry } from './ports';

type Input = Parameters<ControlActivities['shadowReplay']>[0];
type Outcome = Awaited<ReturnType<ControlActivities['shadowReplay']>>;
interface Ports {
  readonly telemetry: Telemetry;
  readonly artifacts: ArtifactStore;
  readonly engine: (service: string) => Engine;
  /** False where a request has effects beyond its answer: then nothing is replayed. */
  readonly repeatable: (service: string) => boolean;
}

const callTimeoutMs = 2_000;
/** Chance below which "worse than the version that is left" is no accident. */
const level = 0.01;
/** Fewer unlabelled comparisons than this, or a larger share of agreement, are no reason to refuse. */
const minCompared = 20;
const minAgreement = 0.5;
const minFailures = 5;
const maxFailureShare = 0.2;

interface Comparison {
  asked: number;
  failed: number;
  labelled: number;
  right: number;
  /** Wrong where the version that is left was right, and the reverse. */
  worse: number;
  better: number;
  unlabelled: number;
  agreed: number;
}

/**
 * The target answers recent inputs of real users before it gets any. Where the true label is known it must not be worse
 * than the version that is left; elsewhere it is compared with the answers of other versions. One request at a time, so
 * that it yields to live load. Nothing is stored; twice is once.
 */
export function shadowReplay(ports: Ports): ControlActivities['shadowReplay'] {
  return async (input) =>
    await withHeartbeat(1_000, async (signal) => {
      const { service, version, replay } = input;
      if (!ports.repeatable(service)) return nothing('requests of this service are not repeatable');
      const { off, samples } = await recentSamples(ports.telemetry, input);
      if (off) return nothing('samples are off');
      const output = await labelOutput(ports.artifacts, service, version);
      if (output === null) return nothing('no golden probe names the output that holds the answer');
      const seen = empty();
      const until = performance.now() + replay.budgetMs;
      for (const sample of samples) {
        if (performance.now() >= until) break;
        signal.throwIfAborted();
        await compare(ports.engine(service), input, output, sample, seen);
      }
      return judged(seen);
    });
}

function nothing(note: string): Outcome {
  return { ok: true, inputs: 0, right: null, note: `nothing was compared: ${note}` };
}

function empty(): Comparison {
  return { asked: 0, failed: 0, labelled: 0, right: 0, worse: 0, better: 0, unlabelled: 0, agreed: 0 };
}

/** Labelled ones first: they say more. Unlabelled answers of the version that is left are no yardstick. */
async function recentSamples(
  telemetry: Telemetry,
  { service, against, replay }: Input,
): Promise<{ off: boolean; samples: Sample[] }> {
  const limit = replay.maxInputs;
  const [labelled, all] = await Promise.all([
    telemetry.samples(service, { labelled: true, limit }),
    telemetry.samples(service, { limit }),
  ]);
  const known = new Set(labelled.samples.map(({ requestId }) => requestId));
  const others = all.samples.filter(({ requestId, version }) => !known.has(requestId) && version !== against);
  return { off: all.off, samples: [...labelled.samples, ...others].slice(0, limit) };
}

/** The output that the golden probes judge a text by, e.g. `label`. */
async function labelOutput(artifacts: ArtifactStore, service: string, version: string): Promise<string | null> {
  const probes = await artifacts.probes(service, version);
  return probes.find(({ expect }) => typeof expect.value === 'string')?.expect.output ?? null;
}

async function compare(
  engine: Engine,
  { backend, model, against }: Input,
  output: string,
  { body, label, predicted, version }: Sample,
  seen: Comparison,
): Promise<void> {
  const request = parsed(body);
  if (request === undefined) return;
  seen.asked += 1;
  const answer = await answerOf(engineOn(engine, backend), backend.address, model, request, output);
  if (answer === null) {
    seen.failed += 1;
    return;
  }
  if (label !== null) {
    const right = answer === label;
    seen.labelled += 1;
    if (right) seen.right += 1;
    if (version !== against || predicted === null) return;
    if (!right && predicted === label) seen.worse += 1;
    if (right && predicted !== label) seen.better += 1;
  } else if (predicted !== null && version !== against) {
    seen.unlabelled += 1;
    if (answer === predicted) seen.agreed += 1;
  }
}

async function answerOf(
  engine: Engine,
  address: string,
  model: string,
  request: Json,
  output: string,
): Promise<string | null> {
  try {
    const answer = await engine.infer(address, model, request, { timeoutMs: callTimeoutMs, headers: mirrorHeaders });
    const found = answer.outputs[output];
    return answer.status === 200 && found !== undefined ? String(found) : null;
  } catch (error) {
    // A copy that cannot answer an input of today is what this step is looking for; a bug of ours is not.
    if (error instanceof TypeError) throw new Error(`shadow replay: ${messageOf(error)}`, { cause: error });
    return null;
  }
}

/** A sampled body may have been cut or redacted into something that is no JSON; then it is no input. */
function parsed(body: string): Json | undefined {
  try {
    return JSON.parse(body) as Json;
  } catch {
    return undefined;
  }
}

function judged(seen: Comparison): Outcome {
  const { asked, failed, labelled, right, worse, better, unlabelled, agreed } = seen;
  if (asked === 0) return nothing('there are no samples');
  if (failed >= minFailures && failed > maxFailureShare * asked) {
    return { ok: false, why: `it failed on ${failed} of ${asked} recent inputs` };
  }
  const chance = exactMcNemar(worse, better);
  if (worse > better && chance <= level) {
    const why = `of ${labelled} labelled inputs ${worse} are wrong only on it and ${better} only on the version that is left`;
    return { ok: false, why };
  }
  if (unlabelled >= minCompared && agreed < minAgreement * unlabelled) {
    return { ok: false, why: `it agrees with what was answered on only ${agreed} of ${unlabelled} inputs` };
  }
  const parts = [`${asked} recent inputs`];
  if (labelled > 0) parts.push(`${right} of ${labelled} labelled ones right`);
  if (unlabelled > 0) parts.push(`${agreed} of ${unlabelled} others as answered before`);
  if (failed > 0) parts.push(`${failed} failed`);
  return { ok: true, inputs: asked, right: labelled > 0 ? right : null, note: parts.join(', ') };
}
