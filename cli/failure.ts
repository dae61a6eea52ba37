import { exitCodes } from './exit-codes';

/** Ends a command for a reason that its user can act on: what is wrong, where, and what to do. */
export class CliFailure extends Error {
  override readonly name = 'CliFailure';
  constructor(
    readonly exitCode: number,
    readonly what: string,
    /** What to do, best an exact command. */
    readonly todo: string | null = null,
    options?: ErrorOptions,
  ) {
    super(what, options);
  }
}

/** A failure as `--json` has it on standard output. */
export function errorAsJson({ what, todo, exitCode }: Pick<CliFailure, 'what' | 'todo' | 'exitCode'>): {
  readonly error: { readonly what: string; readonly todo: string | null; readonly exitCode: number };
} {
  return { error: { what, todo, exitCode } };
}

export const badUse = (what: string, todo: string | null = null): CliFailure =>
  new CliFailure(exitCodes.badUse, what, todo);

export const unreachable = (what: string, todo: string | null = null, cause?: unknown): CliFailure =>
  new CliFailure(exitCodes.unreachable, what, todo, cause === undefined ? undefined : { cause });
