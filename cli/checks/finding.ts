/** One thing that was looked at. `not measured` is neither good nor bad, and says why. */
export interface Finding {
  readonly what: string;
  readonly level: 'ok' | 'warning' | 'wrong' | 'not measured';
  readonly said: string;
  readonly remedy: string | null;
}

export const fine = (what: string, said: string): Finding => ({ what, level: 'ok', said, remedy: null });
export const warning = (what: string, said: string, remedy: string): Finding => ({
  what,
  level: 'warning',
  said,
  remedy,
});
export const wrong = (what: string, said: string, remedy: string): Finding => ({ what, level: 'wrong', said, remedy });
export const unmeasured = (what: string, said: string, remedy: string | null = null): Finding => ({
  what,
  level: 'not measured',
  said,
  remedy,
});

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
