import type { InputFits } from '../../activities/ports';
import type { InputProfile } from '../../domain/environment/input-profile';
import { profileFit } from '../../domain/environment/profile-fit';
import type { InputFit, NoFit } from '../../domain/rollback/input-fit';
import { reduceAll } from './reduced-inputs';
import type { SampledInputs } from './sampled-inputs';

export interface InputFitOptions {
  readonly services: readonly { readonly name: string; readonly everyMs: number }[];
  readonly samples: SampledInputs;
  /** Names of the versions that are there, oldest first. */
  readonly versionsOf: (service: string) => Promise<readonly string[]>;
  /** What the inputs looked like when the version was validated; null where its artifact does not say. */
  readonly profileOf: (service: string, version: string) => Promise<InputProfile | null>;
  /** The version that has the traffic; null where none has, or that cannot be asked. */
  readonly liveOf: (service: string) => Promise<string | null>;
  /** The list of versions should be read again. A rejection is told again at the next look. */
  readonly tell: (service: string) => Promise<void>;
  readonly now: () => number;
}

/** *Now*: what was asked in the last two hours, the newest of it. */
const RECENT_MS = 2 * 3_600_000;
const READ_MAX = 400;
/** An older version is no target that anybody would want to wait for. */
const VERSIONS_MAX = 60;
/** A fit that nobody renews counts as unmeasured two hours later. */
const TELL_EVERY_MS = 30 * 60_000;
/** What the service is told of is another band or another order, not the third decimal. */
const STEP = 0.05;
const YIELD_EVERY = 4;

interface Kept {
  fits: ReadonlyMap<string, InputFit>;
  measuredAt: number;
  told: string | null;
  toldAt: number;
}

/**
 * Compares the data profile of each version with the inputs of now, every few minutes, so that a decision finds the
 * figures ready. Reads samples and profiles, writes nothing. `look` takes a measurement where one is due, and tells the
 * service where the picture or the live version is another one; it never rejects.
 */
export function inputFits(options: InputFitOptions): InputFits & { look(): Promise<void> } {
  const { now } = options;
  const services = new Map<string, Kept>(
    options.services.map(({ name }) => [
      name,
      { fits: new Map(), measuredAt: -Infinity, told: null, toldAt: -Infinity },
    ]),
  );

  async function measured(service: string): Promise<ReadonlyMap<string, InputFit>> {
    const atMs = now();
    const versions = (await options.versionsOf(service)).slice(-VERSIONS_MAX);
    const all = (why: NoFit): ReadonlyMap<string, InputFit> => new Map(versions.map((version) => [version, why]));
    const read = await options.samples.inputs(service, atMs - RECENT_MS, atMs, READ_MAX).catch(() => null);
    if (read === null) return all('unreadable');
    if (read.off) return all('samples-off');
    // Repeats count: a profile is made of all inputs, and some services are asked the same few things all day.
    const recent = await reduceAll(read.inputs);
    const fits = new Map<string, InputFit>();
    for (const [at, version] of versions.entries()) {
      const profile = await options.profileOf(service, version).catch(() => 'unreadable' as const);
      if (profile === 'unreadable') fits.set(version, profile);
      else fits.set(version, profile === null ? 'no-profile' : profileFit(profile, recent, atMs));
      if (at % YIELD_EVERY === YIELD_EVERY - 1) await new Promise(setImmediate);
    }
    return fits;
  }

  async function lookAt(service: string, everyMs: number, kept: Kept): Promise<void> {
    if (now() - kept.measuredAt >= everyMs) {
      // What cannot be listed keeps its figures, which grow old by themselves.
      kept.fits = await measured(service).catch(() => kept.fits);
      kept.measuredAt = now();
    }
    const picture = pictureOf(await options.liveOf(service).catch(() => null), kept.fits);
    const anything = [...kept.fits.values()].some((fit) => typeof fit === 'object');
    const old = anything && now() - kept.toldAt >= TELL_EVERY_MS;
    if (picture === kept.told && !old) return;
    await options.tell(service);
    kept.told = picture;
    kept.toldAt = now();
  }

  return {
    latest: (service) => services.get(service)?.fits ?? new Map<string, InputFit>(),
    async look() {
      for (const { name, everyMs } of options.services) {
        const kept = services.get(name);
        // A service whose workflow cannot be told is told at the next look.
        if (kept) await lookAt(name, everyMs, kept).catch(() => undefined);
      }
    },
  };
}

function pictureOf(live: string | null, fits: ReadonlyMap<string, InputFit>): string {
  const rounded = [...fits].map(([version, fit]) =>
    typeof fit === 'string' ? [version, fit] : [version, Math.floor(fit.distance / STEP), fit.field],
  );
  return JSON.stringify([live, rounded]);
}
