import type fc from 'fast-check';

/** What an input must not do. */
export interface Harm {
  readonly kind: 'crash' | 'admitted';
  readonly why: string;
}

/** One place where something comes in from outside: what may come, and what happens when it does. */
export interface Surface<Input = unknown> {
  readonly name: string;
  readonly inputs: fc.Arbitrary<Input>;
  /** Inputs that must be met each time, however few are asked for. */
  readonly examples?: readonly Input[];
  /** Null: it was taken, or refused by name. Called one after the other. */
  meet(input: Input): Promise<Harm | null>;
  close(): Promise<void>;
}

/** A surface that is opened when its turn comes; `weight` is its part of all inputs. */
export interface SurfacePlan {
  readonly name: string;
  readonly weight: number;
  open(): Promise<Surface>;
}

export function surface<Input>(made: Surface<Input>): Surface {
  return made as Surface;
}

export const crash = (why: string): Harm => ({ kind: 'crash', why });
export const admitted = (why: string): Harm => ({ kind: 'admitted', why });

/** Errors of the language: whoever meets one has believed something of the input that is not so. */
const FAULTS: readonly string[] = [
  'TypeError',
  'RangeError',
  'ReferenceError',
  'SyntaxError',
  'AssertionError',
  'Error [ERR_ASSERTION]',
];

/** A refusal says what was wrong; a fault of ours is a sentence about our own variables. */
export function harmOf(fault: unknown): Harm | null {
  if (!(fault instanceof Error)) return crash(`no error was thrown, but ${String(fault).slice(0, 200)}`);
  if (FAULTS.includes(fault.name)) return crash((fault.stack ?? String(fault)).split('\n').slice(0, 4).join(' | '));
  if (fault.message.trim() === '') return crash(`${fault.name} without a word`);
  return null;
}

/** Runs what may refuse. */
export async function refusedOrDone(work: () => unknown): Promise<Harm | null> {
  try {
    await work();
    return null;
  } catch (fault) {
    return harmOf(fault);
  }
}
