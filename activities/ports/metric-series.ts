/** One bin of a series; null where nothing was measured: a gap, never good and never bad. */
export interface SeriesPoint {
  readonly atMs: number;
  readonly value: number | null;
}

/** Metrics as people saw them over time. */
export interface MetricSeries {
  /**
   * Series of [fromMs, toMs) by metric, in the metric's own unit and in evenly spaced bins; empty where nothing on record
   * tells of it. Never rejects: what cannot be read now is empty too.
   */
  read(
    service: string,
    metrics: readonly string[],
    fromMs: number,
    toMs: number,
  ): Promise<ReadonlyMap<string, readonly SeriesPoint[]>>;
}
