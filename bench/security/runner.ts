import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { crash, harmOf, type Harm, type Surface, type SurfacePlan } from './surface';

/** An input that is not answered for so long holds something up. */
const HANG_MS = 8_000;
/** What a surface may keep of all that it has met. */
const GROWTH_LIMIT_BYTES = 96 * 1024 * 1024;
/** Fewer inputs show no growth, and looking at the whole heap takes its time. */
const GROWTH_INPUTS = 150;
/** After so many the surface is broken, and the next ones would say the same. */
const HARMS_MAX = 5;
/** A small input is worth some seconds, not minutes. */
const SHRINK_MS = 10_000;

export interface Found extends Harm {
  readonly surface: string;
  readonly seed: number;
  /** The smallest input that does it, as fast-check prints it. */
  readonly input: string;
}

export interface Met {
  readonly surface: string;
  readonly inputs: number;
  readonly seed: number;
  readonly ms: number;
  readonly grownBytes: number;
  readonly found: readonly Found[];
}

/** Gives each surface its part of `inputs`, one surface after the other. */
export async function runSurfaces(
  plans: readonly SurfacePlan[],
  options: { readonly inputs: number; readonly seed: number; readonly onMet?: (met: Met) => void },
): Promise<Met[]> {
  const weights = plans.reduce((sum, { weight }) => sum + weight, 0);
  const all: Met[] = [];
  for (const [index, plan] of plans.entries()) {
    const inputs = Math.ceil((options.inputs * plan.weight) / weights);
    const met = await runSurface(plan, inputs, options.seed * 1_000 + index);
    options.onMet?.(met);
    all.push(met);
  }
  return all;
}

/** Faults that no call has: a promise that nobody waits for, a listener that throws. */
class Strays {
  private readonly seen: string[] = [];
  private readonly note = (fault: unknown): void => {
    this.seen.push(
      fault instanceof Error ? (fault.stack ?? String(fault)).split('\n').slice(0, 4).join(' | ') : String(fault),
    );
  };

  constructor() {
    process.on('unhandledRejection', this.note);
    process.on('uncaughtException', this.note);
  }

  take(): Harm | null {
    const [first] = this.seen.splice(0);
    return first === undefined ? null : crash(`nobody waited for it: ${first}`);
  }

  close(): void {
    process.off('unhandledRejection', this.note);
    process.off('uncaughtException', this.note);
  }
}

async function runSurface(plan: SurfacePlan, wanted: number, seed: number): Promise<Met> {
  const began = performance.now();
  const strays = new Strays();
  const open = await plan.open();
  const inputs = Math.max(wanted, open.examples?.length ?? 0);
  const found: Found[] = [];
  let done = 0;
  let before = 0;
  try {
    const examples = (open.examples ?? []).map((one): [unknown] => [one]);
    for (let round = 0; done < inputs && found.length < HARMS_MAX; round += 1) {
      const roundSeed = seed + round * 7_919;
      const seen: { harm: Harm | null; at: number } = { harm: null, at: Infinity };
      let tried = 0;
      const property = fc.asyncProperty(open.inputs, async (input) => {
        // Shrinking ends where no input does harm any more.
        if (performance.now() - seen.at > SHRINK_MS) return;
        // What was learnt of the program itself (caches, compiled code) is no growth.
        if (inputs >= GROWTH_INPUTS && done + tried === Math.floor(inputs / 4)) before = heap();
        tried += 1;
        const harm = await met(open, input, strays);
        if (harm === null) return;
        seen.harm = harm;
        seen.at = Math.min(seen.at, performance.now());
        throw new Error(harm.why);
      });
      const run = await fc.check(property, { seed: roundSeed, numRuns: inputs - done, examples: examples.slice(done) });
      done += Math.max(1, run.failed ? run.numRuns : tried);
      if (!run.failed) continue;
      const harm: Harm = seen.harm ?? crash(String(run.errorInstance));
      found.push({ ...harm, surface: plan.name, seed: roundSeed, input: shown(run.counterexample?.[0]) });
    }
    const grownBytes = before === 0 ? 0 : heap() - before;
    if (grownBytes > GROWTH_LIMIT_BYTES)
      found.push({
        ...crash(`keeps ${Math.round(grownBytes / 2 ** 20)} MiB of ${done} inputs`),
        surface: plan.name,
        seed,
        input: '',
      });
    return { surface: plan.name, inputs: done, seed, ms: performance.now() - began, grownBytes, found };
  } finally {
    await open.close();
    strays.close();
  }
}

function shown(input: unknown): string {
  const text = Buffer.isBuffer(input) ? JSON.stringify(input.toString()) : fc.stringify(input);
  return text.length > 2_000 ? `${text.slice(0, 1_000)} … ${text.slice(-1_000)}` : text;
}

async function met(surface: Surface, input: unknown, strays: Strays): Promise<Harm | null> {
  let timer: NodeJS.Timeout | undefined;
  const hangs = new Promise<Harm>((resolve) => {
    timer = setTimeout(() => resolve(crash(`no answer within ${HANG_MS / 1_000} s`)), HANG_MS);
  });
  try {
    const harm = await Promise.race([
      surface.meet(input).catch((fault: unknown) => harmOf(fault) ?? crash(String(fault))),
      hangs,
    ]);
    // A rejection is told at the end of the turn.
    await new Promise((resolve) => setImmediate(resolve));
    return harm ?? strays.take();
  } finally {
    clearTimeout(timer);
  }
}

let collect: (() => void) | null = null;

/** Bytes of the heap that are still needed. */
function heap(): number {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  return process.memoryUsage().heapUsed;
}
