import type { ArtifactProblem } from '../../domain/version';

/** Every fault of the artifact store. */
export class ArtifactError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The store has no such version. */
export class ArtifactMissing extends ArtifactError {}

/** What was offered is not an artifact; nothing was changed. */
export class ArtifactRefused extends ArtifactError {
  constructor(
    readonly what: string,
    readonly problems: readonly ArtifactProblem[],
  ) {
    super(`${what} was refused: ${problemText(problems)}`);
  }
}

/** A stored version no longer is what was imported. */
export class ArtifactCorrupt extends ArtifactError {
  constructor(
    readonly what: string,
    readonly problems: readonly ArtifactProblem[],
  ) {
    super(`${what} is corrupt: ${problemText(problems)}`);
  }
}

const SHOWN = 5;

function problemText(problems: readonly ArtifactProblem[]): string {
  const shown = problems.slice(0, SHOWN).map(describeProblem).join('; ');
  return problems.length > SHOWN ? `${shown}; and ${problems.length - SHOWN} more` : shown;
}

/** One line for people: path, what is wrong, expected, found. */
export function describeProblem({ path, problem, expected, found }: ArtifactProblem): string {
  return `${path}: ${problem} (expected ${expected}, found ${found})`;
}
