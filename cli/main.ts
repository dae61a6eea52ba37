import type { Command } from 'commander';
import { CommanderError } from 'commander';
import { apiClient, type ApiClient } from './api-client';
import type { CommonOptions, Context } from './context';
import { exitCodes } from './exit-codes';
import { CliFailure } from './failure';
import { buildProgram } from './program';
import { readSettings, type Settings } from './settings';
import type { Terminal } from './terminal';

/** Runs one command line; resolves to the exit code and never rejects. */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  let code: number = exitCodes.ok;
  const program: Command = buildProgram(terminal, async (options, run) => {
    code = await run(makeContext(options, terminal));
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    return report(error, args, terminal);
  }
}

function makeContext(options: CommonOptions, terminal: Terminal): Context {
  let settings: Settings | null = null;
  let client: ApiClient | null = null;
  const read = (): Settings => (settings ??= readSettings(options));
  return {
    terminal,
    options,
    json: options.json === true,
    verbose: options.verbose === true,
    settings: read,
    client: () => (client ??= apiClient(read())),
  };
}

/** What is wrong, where, what to do; the stack only for who asks for it. */
function report(error: unknown, args: readonly string[], terminal: Terminal): number {
  const verbose = args.includes('--verbose');
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.badUse;
  if (error instanceof CliFailure) {
    if (args.includes('--json'))
      terminal.out(
        JSON.stringify({ error: { what: error.what, todo: error.todo, exitCode: error.exitCode } }, null, 2),
      );
    terminal.err(`lastgood: ${error.what}`);
    if (error.todo !== null) terminal.err(`  to do: ${error.todo}`);
    if (verbose) terminal.err(stackOf(error));
    return error.exitCode;
  }
  terminal.err(`lastgood: ${error instanceof Error ? error.message : String(error)}`);
  terminal.err(verbose ? stackOf(error) : '  this is a fault of lastgood; the same command with --verbose shows where');
  return exitCodes.internal;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by: ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
