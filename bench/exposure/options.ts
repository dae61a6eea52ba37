import { BadUse } from '../report';
import { FAULTS, type FaultName } from './faults';

export interface Plan {
  readonly episodes: number;
  readonly historyMs: number;
  readonly cleanMs: number;
  readonly faults: readonly FaultName[];
  /** Each episode is appended there as a line of JSON when it ends. */
  readonly out: string | null;
  /** Nobody asked for a number of episodes: it says so. */
  readonly short: boolean;
}

const SHORT = { episodes: 3, historyMs: 45_000, cleanMs: 20_000 };
const FULL = { historyMs: 120_000, cleanMs: 300_000 };
const KNOWN: readonly string[] = ['episodes', 'faults', 'history', 'clean', 'out'];

/**
 * `--episodes N` of each fault, `--faults LIST`, `--history S` and `--clean S` (seconds of good history and of the run
 * without faults), `--out FILE`.
 * @throws BadUse
 */
export function planOf(given: Readonly<Record<string, string>>): Plan {
  for (const name of Object.keys(given))
    if (!KNOWN.includes(name)) throw new BadUse(`--${name}: unknown, expected one of --${KNOWN.join(', --')}`);
  const episodes = given['episodes'] === undefined ? null : Number(given['episodes']);
  if (episodes !== null && !(Number.isInteger(episodes) && episodes > 0))
    throw new BadUse(`--episodes: found ${given['episodes']}, expected a whole number above 0`);
  const base = episodes === null ? SHORT : { ...FULL, episodes };
  return {
    episodes: base.episodes,
    historyMs: seconds(given, 'history') ?? base.historyMs,
    cleanMs: seconds(given, 'clean') ?? base.cleanMs,
    faults: faultsOf(given['faults']),
    out: given['out'] ?? null,
    short: episodes === null,
  };
}

function seconds(given: Readonly<Record<string, string>>, name: string): number | null {
  if (given[name] === undefined) return null;
  const value = Number(given[name]);
  if (value > 0) return value * 1_000;
  throw new BadUse(`--${name}: found ${given[name]}, expected a number of seconds above 0`);
}

function faultsOf(list: string | undefined): FaultName[] {
  if (list === undefined) return [...FAULTS];
  return list.split(',').map((name) => {
    const found = FAULTS.find((known) => known === name);
    if (!found) throw new BadUse(`--faults: found ${name}, expected some of ${FAULTS.join(', ')}`);
    return found;
  });
}
