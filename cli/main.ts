import type { Command } from 'commander';
import { CommanderError } from 'commander';
import { apiClient, type ApiClient } from './api-client';
import { printJson, type CommonOptions, type Context } from './context';
import { exitCodes } from './exit-codes';
import { badUse, CliFailure, errorAsJson } from './failure';
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
  if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok;
  const failure = failureOf(error);
  if (args.includes('--json')) printJson(terminal, errorAsJson(failure));
  // The parser has said in words what it could not read.
  if (error instanceof CommanderError) return failure.exitCode;
  terminal.err(`lastgood: ${failure.what}`);
  const isFault = failure.exitCode === exitCodes.internal;
  if (!isFault && failure.todo !== null) terminal.err(`  to do: ${failure.todo}`);
  if (args.includes('--verbose')) terminal.err(stackOf(error));
  else if (isFault) terminal.err(`  ${faultTodo}`);
  return failure.exitCode;
}

const configurationTodo = 'correct what it names; lastgood validate checks it again';
const faultTodo = 'this is a fault of lastgood; the same command with --verbose shows where';

function failureOf(error: unknown): CliFailure {
  if (error instanceof CliFailure) return error;
  if (error instanceof CommanderError) {
    // A group without one of its verbs: the parser shows the help and has no words of its own.
    const what = error.code === 'commander.help' ? 'a verb is missing' : error.message.replace(/^error: /, '');
    return badUse(what, 'lastgood --help');
  }
  // A file that the configuration names is missing or wrong. By its name: `status` must not load what throws it.
  if (error instanceof Error && error.name === 'ConfigurationError') return badUse(error.message, configurationTodo);
  return new CliFailure(exitCodes.internal, error instanceof Error ? error.message : String(error), faultTodo);
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by: ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
