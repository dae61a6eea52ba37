/** A drift detector of the literature, with the defaults and the reset after a detection of river 0.26. */
export interface DriftDetector {
  /** Folds one value; true when it detects a change, after which it begins anew. */
  update(value: number): boolean;
}

/** Indices at which a detector fires over a whole stream. */
export function detections(detector: DriftDetector, stream: readonly number[]): number[] {
  return stream.flatMap((value, index) => (detector.update(value) ? [index] : []));
}
