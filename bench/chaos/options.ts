import { rollbackSteps, type FaultSpec, type RollbackStep } from '../../domain/chaos/experiment';
import { BadUse } from '../report';

const MIB = 1024 ** 2;

/** What each experiment of the benchmark breaks; the budgets are requests that may go without an answer, for the reason. */
export const FAULTS = {
  'artifact-damaged': { fault: { kind: 'corrupt-artifact', version: 'target', how: 'flip' }, lost: 0 },
  'live-killed': { fault: { kind: 'kill-serving', version: 'left' }, lost: 0 },
  'target-killed': { fault: { kind: 'kill-serving', version: 'target' }, lost: 0 },
  'live-frozen': { fault: { kind: 'freeze-serving', version: 'left', limitMs: 8_000 }, lost: 0 },
  'disk-filled': {
    fault: { kind: 'fill-disk', where: 'data', atMostBytes: 32 * MIB, keepFreeBytes: 1024 * MIB },
    lost: 0,
  },
  surge: { fault: { kind: 'load-surge', perSecond: 100, forMs: 15_000, maxRequests: 1_500 }, lost: 0 },
  'host-killed': { fault: { kind: 'kill-part', part: 'host' }, lost: 0 },
  'controller-killed': { fault: { kind: 'kill-part', part: 'controller' }, lost: 0 },
  'temporal-killed': { fault: { kind: 'kill-part', part: 'temporal' }, lost: 0 },
  // Nobody listens until the next gateway does: refused, and so never accepted (I6).
  'gateway-killed': { fault: { kind: 'kill-part', part: 'gateway' }, lost: 300 },
} as const satisfies Readonly<Record<string, { readonly fault: FaultSpec; readonly lost: number }>>;
export type FaultName = keyof typeof FAULTS;

/** `shadow` is in no plan without sampled inputs, so it is not among the default ones. */
const DEFAULT_STEPS: readonly RollbackStep[] = ['validate', 'load', 'probe', 'shift', 'verify', 'settle'];

export interface Plan {
  readonly faults: readonly FaultName[];
  readonly steps: readonly RollbackStep[];
  readonly repeat: number;
  /** Each run is appended there as a line of JSON when it ends. */
  readonly out: string | null;
}

/**
 * `--experiments LIST`, `--steps LIST`, `--repeat N`, `--out FILE`.
 * @throws BadUse
 */
export function planOf(given: Readonly<Record<string, string>>): Plan {
  const known = ['experiments', 'steps', 'repeat', 'out'];
  for (const name of Object.keys(given))
    if (!known.includes(name)) throw new BadUse(`--${name}: unknown, expected one of --${known.join(', --')}`);
  const repeat = Number(given['repeat'] ?? 1);
  if (!Number.isInteger(repeat) || repeat < 1)
    throw new BadUse(`--repeat: found ${given['repeat']}, expected a whole number above 0`);
  return {
    faults: listOf('experiments', given['experiments'], Object.keys(FAULTS) as FaultName[]),
    steps: given['steps'] === undefined ? DEFAULT_STEPS : listOf('steps', given['steps'], rollbackSteps),
    repeat,
    out: given['out'] ?? null,
  };
}

function listOf<T extends string>(option: string, given: string | undefined, all: readonly T[]): readonly T[] {
  if (given === undefined) return all;
  return given.split(',').map((name) => {
    const found = all.find((one) => one === name);
    if (found === undefined) throw new BadUse(`--${option}: found ${name}, expected some of ${all.join(', ')}`);
    return found;
  });
}
