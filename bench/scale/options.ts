import { BadUse } from '../report';

export interface Plan {
  readonly services: number;
  /** Of these so many more, with requests. */
  readonly busy: number;
  readonly windowMs: number;
  /** Times that the controller is killed, and live processes of busy services. */
  readonly kills: number;
  /** Directory for a CPU profile of the controller; null: none. */
  readonly profile: string | null;
}

const KNOWN: readonly string[] = ['services', 'busy', 'minutes', 'kills', 'profile'];

/** `--services N` idle ones (1,000), `--busy N` beside them (50), `--minutes N` of the window (5), `--kills N` (5), `--profile DIR`. */
export function planOf(given: Readonly<Record<string, string>>): Plan {
  for (const name of Object.keys(given))
    if (!KNOWN.includes(name)) throw new BadUse(`--${name}: unknown, expected one of --${KNOWN.join(', --')}`);
  return {
    services: whole(given, 'services', 1_000),
    busy: whole(given, 'busy', 50),
    windowMs: positive(given, 'minutes', 5) * 60_000,
    kills: whole(given, 'kills', 5),
    profile: given['profile'] ?? null,
  };
}

function whole(given: Readonly<Record<string, string>>, name: string, otherwise: number): number {
  const value = positive(given, name, otherwise);
  if (Number.isInteger(value)) return value;
  throw new BadUse(`--${name}: found ${given[name]}, expected a whole number above 0`);
}

function positive(given: Readonly<Record<string, string>>, name: string, otherwise: number): number {
  const value = given[name] === undefined ? otherwise : Number(given[name]);
  if (value > 0) return value;
  throw new BadUse(`--${name}: found ${given[name]}, expected a number above 0`);
}
