export type AlertSeverity = 'page' | 'ticket' | 'info';

/** A message for people: the fields are the order in which they are read. */
export interface Alert {
  /** Stable per state: the same key again is the same alert, shown once. */
  readonly key: string;
  readonly service: string;
  readonly incident: string | null;
  readonly severity: AlertSeverity;
  readonly at: number;
  readonly title: string;
  /** What is wrong: metric, value, limits, since when. */
  readonly wrong: string;
  /** What lastgood did or did not, and why. */
  readonly did: string;
  /** How users fare now. */
  readonly users: string;
  /** What the reader must do; "nothing until morning" is a valid line. */
  readonly must: string;
  readonly command: string | null;
  readonly link: string | null;
}
