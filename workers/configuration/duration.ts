const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof unitMs;

export const durationPattern = /^(0|[1-9]\d{0,8})(ms|s|m|h|d)$/;
export const durationWords = 'a duration such as 500ms, 90s, 30m, 24h or 7d';

/** Milliseconds of `30m`; null when the text is no duration. One number and one unit: `90s`, not `1m30s`. */
export function parseDuration(text: string): number | null {
  const match = durationPattern.exec(text);
  if (match === null) return null;
  const ms = Number(match[1]) * unitMs[match[2] as Unit];
  // A longer one is a slip of the unit; timers and schedules would not take it either.
  return ms <= 400 * unitMs.d ? ms : null;
}

/** The shortest way to write it: `30m`, not `1800s`. */
export function durationText(ms: number): string {
  const units: readonly Unit[] = ['d', 'h', 'm', 's'];
  const unit = units.find((candidate) => ms > 0 && ms % unitMs[candidate] === 0) ?? (ms === 0 ? 's' : 'ms');
  return `${ms / unitMs[unit]}${unit}`;
}
