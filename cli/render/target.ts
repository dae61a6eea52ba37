import type { Readiness, State } from '../types';

/** Whom a rollback would choose and by what; nothing where nobody may be chosen, which the first line says. */
export function targetLines(readiness: Readiness | null, { policy }: Pick<State, 'policy'>): string[] {
  if (!readiness || readiness.target === null || !readiness.why.startsWith(`${readiness.target} `)) return [];
  // Whether a copy runs is in the first line.
  const why = readiness.why.replace(/; (cold: .*|it runs, with its proof renewed)$/, '');
  return [`${why} (order: ${policy.target?.order ?? 'previous'})`];
}
