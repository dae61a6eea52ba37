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

export const badUse = (what: string, todo: string | null = null): CliFailure =>
  new CliFailure(exitCodes.badUse, what, todo);

export const unreachable = (what: string, todo: string | null = null, cause?: unknown): CliFailure =>
  new CliFailure(exitCodes.unreachable, what, todo, cause === undefined ? undefined : { cause });
