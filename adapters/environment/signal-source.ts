import type { EnvironmentQuestion } from '../../activities/ports';
import type { Json } from '../../domain/ledger';
import type { SignalFinding } from '../../domain/environment/finding';

/** A finding, with what else its source knows. */
export type Signal = SignalFinding & { readonly more?: Readonly<Record<string, Json>> };

/** One kind of thing that can change around a model. What it has read it keeps, bounded. */
export interface SignalSource {
  /** Stands in `unmeasured` where the source itself fails. */
  readonly name: string;
  readonly everyMs: number;
  /** Reads once; never for longer than some seconds. What cannot be read is missing afterwards, and `findings` say so. */
  sample(): Promise<void>;
  /** A look of some milliseconds, worth taking while users wait. */
  readonly quick: boolean;
  findings(service: string, sinceMs: number, about: EnvironmentQuestion): Signal[] | Promise<Signal[]>;
}
