/**
 * How well what a version was validated on fits what the service is asked now. Distances are PSI less what chance alone
 * makes of it (see `profileFit`): 0 alike, above .25 commonly called another population.
 */
export interface ProfileFit {
  /** The distance of the field that differs most. */
  readonly distance: number;
  readonly field: string;
  /** The mean over all fields that were compared. */
  readonly mean: number;
  /** Live inputs that it was compared with. */
  readonly n: number;
  /** When. Milliseconds since the epoch. */
  readonly at: number;
}

/** Why nothing is known of a fit. None of them is a good or a bad fit (I10). */
export const noFitReasons = {
  'samples-off': 'samples of inputs are off',
  'no-profile': 'its data profile has no inputProfile',
  'thin-profile': 'its inputProfile is made of too few inputs',
  'few-inputs': 'too few inputs were sampled lately',
  redacted: 'every field of its profile is redacted',
  unreadable: 'samples or profile could not be read',
} as const;
export type NoFit = keyof typeof noFitReasons;

export type InputFit = ProfileFit | NoFit;

/** A fit is measured again every few minutes; an older one than this is of another hour's data and counts as unmeasured. */
export const FIT_FRESH_MS = 2 * 3_600_000;
