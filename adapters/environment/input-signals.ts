import { RECENT_MIN } from '../../domain/environment/field-checks';
import { inputFindings } from '../../domain/environment/input-change';
import { PROFILE_MIN } from '../../domain/environment/input-comparison';
import type { ReducedInput } from '../../domain/environment/input-fields';
import type { InputProfile } from '../../domain/environment/input-profile';
import { reduceAll } from './reduced-inputs';
import type { Signal, SignalSource } from './signal-source';
import type { SampledInputs } from './sampled-inputs';

export interface InputSignalOptions {
  readonly services: readonly string[];
  readonly samples: SampledInputs;
  /** What the inputs looked like when the version was validated; null where its artifact does not say. */
  readonly profileOf: (service: string, version: string) => Promise<InputProfile | null>;
  readonly everyMs: number;
  readonly now: () => number;
}

/** Reduced inputs that are kept in memory for each service. */
const KEPT_MAX = 2_000;
const READ_MAX = 500;
const FIRST_LOOK_MS = 2 * 3_600_000;
/** A sample is written some moments after its answer. */
const OVERLAP_MS = 2_000;
const PROFILE_MS = 60_000;
/** Samples that could not be read for so long are not those of now. */
const STALE_MS = 60_000;

const OFF_AGAIN_MS = 10 * 60_000;

interface Kept {
  inputs: ReducedInput[];
  /** Newest moment that was read. */
  readTo: number | null;
  version: string | null;
  profile: InputProfile | null;
  profileAt: number;
  profileOf: string | null;
  off: boolean;
  failed: string | null;
}

/**
 * Quality of the inputs, from what the router samples: read ahead and kept reduced, so that a verdict finds it ready; for
 * an onset that is older than what is kept the samples of then are read.
 */
export function inputSignals(options: InputSignalOptions): SignalSource {
  const { samples, now } = options;
  const services = new Map<string, Kept>(options.services.map((service) => [service, nothing()]));

  async function read(service: string, kept: Kept): Promise<void> {
    const toMs = now();
    const fromMs = kept.readTo === null ? toMs - FIRST_LOOK_MS : kept.readTo - OVERLAP_MS;
    try {
      const limit = kept.readTo === null ? KEPT_MAX / 2 : READ_MAX;
      const { off, inputs } = await samples.inputs(service, fromMs, toMs, limit);
      kept.off = off;
      kept.failed = null;
      kept.version = inputs[inputs.length - 1]?.version ?? kept.version;
      const known = new Set(kept.inputs.slice(-READ_MAX).map(keyOf));
      const fresh = (await reduceAll(inputs)).filter((input) => !known.has(keyOf(input)));
      kept.inputs = [...kept.inputs, ...fresh].slice(-KEPT_MAX);
      kept.readTo = toMs;
    } catch (fault) {
      kept.failed = fault instanceof Error ? fault.message : String(fault);
    }
    await refreshProfile(service, kept);
  }

  async function refreshProfile(service: string, kept: Kept): Promise<void> {
    const { version } = kept;
    if (version === null || (kept.profileOf === version && now() - kept.profileAt < PROFILE_MS)) return;
    // What is broken in the artifact is the business of its validation; here the own history is left.
    kept.profile = await options.profileOf(service, version).catch(() => null);
    kept.profileOf = version;
    kept.profileAt = now();
  }

  /** The inputs before and after a moment that is older than what is kept. */
  async function readAround(service: string, sinceMs: number, fromMs: number): Promise<readonly ReducedInput[] | null> {
    try {
      const before = await samples.inputs(service, 0, sinceMs, READ_MAX);
      const after = await samples.inputs(service, fromMs, now(), READ_MAX);
      return [...(await reduceAll(before.inputs)), ...(await reduceAll(after.inputs))];
    } catch {
      return null;
    }
  }

  return {
    name: 'inputs',
    everyMs: options.everyMs,
    quick: false,
    async sample() {
      for (const [service, kept] of services) {
        // Off by the configuration, which changes with a restart only: most of many services are asked for nothing here.
        if (kept.off && now() - (kept.readTo ?? 0) < OFF_AGAIN_MS) continue;
        await read(service, kept);
      }
    },
    async findings(service, sinceMs, { onset, known }) {
      const kept = services.get(service);
      if (!kept) return [];
      if (kept.off) return [blind('inputs (samples are off)', 'samples are off: set services.NAME.samples.share')];
      if (now() - (kept.readTo ?? -Infinity) > Math.max(STALE_MS, 3 * options.everyMs))
        return [blind('inputs', kept.failed ?? 'the samples were not read yet')];
      const fromMs = onset?.lowMs ?? sinceMs;
      const historyKept = kept.inputs.filter(({ atMs }) => atMs < sinceMs).length;
      const older = known === true || historyKept >= PROFILE_MIN ? null : await readAround(service, sinceMs, fromMs);
      const inputs = older !== null && older.length > kept.inputs.length ? older : kept.inputs;
      // Just after the onset there are none yet: what came since the moment before it is the newest that is known.
      const sinceOnset = inputs.filter(({ atMs }) => atMs >= fromMs).length;
      const enough = sinceOnset >= RECENT_MIN;
      const found = inputFindings({
        inputs,
        beforeMs: sinceMs,
        sinceMs: enough ? fromMs : sinceMs,
        validated: kept.profile,
        degradation: onset ?? null,
      });
      // What came before the onset cannot say that nothing has changed since.
      const silent = !enough && found.every(({ state }) => state === 'same');
      const words = `only ${sinceOnset} inputs sampled since the onset, ${RECENT_MIN} needed`;
      const said = silent ? [blind('inputs', words)] : found;
      return said.map((finding): Signal => ({ ...finding, more: { readTo: kept.readTo } }));
    },
  };
}

function nothing(): Kept {
  return {
    inputs: [],
    readTo: null,
    version: null,
    profile: null,
    profileAt: 0,
    profileOf: null,
    off: false,
    failed: null,
  };
}

function keyOf({ atMs, digest }: ReducedInput): string {
  return `${atMs}/${digest}`;
}

function blind(name: string, words: string): Signal {
  return {
    name,
    state: 'unmeasured',
    words,
    where: 'what sends the inputs',
    observed: null,
    before: null,
    limit: null,
    onsetMs: null,
    samples: 0,
  };
}
