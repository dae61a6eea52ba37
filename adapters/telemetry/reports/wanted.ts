/** A declared metric that comes from a report, and where it stands there. */
export interface WantedValue {
  readonly name: string;
  /** Evidently's kind of metric, such as `ValueDrift`. */
  readonly metric: string;
  readonly column: string | null;
  readonly method: string | null;
  readonly field: string | null;
}

export interface ReportReading {
  readonly values: readonly { readonly metric: string; readonly value: number }[];
  /** Wanted and not in this report, or without a number there. */
  readonly missing: readonly string[];
}
