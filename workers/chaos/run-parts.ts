import type { Faults } from '../../activities/ports';
import type { Observations } from '../../domain/chaos/observations';
import type { ChaosResult } from '../../domain/chaos/verdict';
import type { StateFile } from './state-file';
import type { Users } from './users';
import type { ChaosWorld, StepHold } from './world';

export interface RunParts {
  readonly world: ChaosWorld;
  readonly faults: Faults;
  readonly startUsers: (perSecond: number) => Users;
  /** Null: a step is waited for by asking again and again. */
  readonly hold: StepHold | null;
  readonly stateFile: StateFile;
  readonly say: (line: string) => void;
  /** Aborted by a person: what was begun is taken back, and the run ends. */
  readonly signal: AbortSignal;
  readonly reason: string;
}

export interface RunReport extends ChaosResult {
  readonly run: string;
  readonly experiment: string;
  readonly service: string;
  readonly observations: Observations;
  /** What a person must take back by hand; empty where nothing is left. */
  readonly leftovers: readonly string[];
}
