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
  if (args[0] === '--version' || args[0] === '-V') {
    const { version } = await import('./commands/version');
    return version(terminal, { json: args.includes('--json') });
  }
  const program: Command = buildProgram(terminal, async (options, run) => {
    code = await run(makeContext(options, terminal));
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    const unknownOption = error instanceof CommanderError && error.code === 'commander.unknownOption';
    return report(error, args, { terminal, usage: usageOf(program, args, unknownOption) });
  }
}

/** The command of the verb that was typed, as far as it was; the help where there is none. */
function usageOf(program: Command, args: readonly string[], unknownOption: boolean): string {
  let command = program;
  const names = ['lastgood'];
  for (const word of args) {
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) break;
    command = next;
    names.push(word);
  }
  if (command.commands.length > 0 || unknownOption) return `${names.join(' ')} --help`;
  const words = command.registeredArguments.map((argument) =>
    argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
  );
  const reason = command.options.some(({ long }) => long === '--reason') ? ["--reason 'why you do it'"] : [];
  return [...names, ...words, ...reason].join(' ');
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
function report(
  error: unknown,
  args: readonly string[],
  { terminal, usage }: { readonly terminal: Terminal; readonly usage: string },
): number {
  if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok;
  const failure = failureOf(error, usage);
  if (args.includes('--json')) printJson(terminal, errorAsJson(failure));
  // The parser has said in words what it could not read.
  if (error instanceof CommanderError) {
    if (error.code !== 'commander.help') terminal.err(`  to do: ${usage}`);
    return failure.exitCode;
  }
  terminal.err(`lastgood: ${failure.what}`);
  const isFault = failure.exitCode === exitCodes.internal;
  if (!isFault && failure.todo !== null) terminal.err(`  to do: ${failure.todo}`);
  if (args.includes('--verbose')) terminal.err(stackOf(error));
  else if (isFault) terminal.err(`  ${faultTodo}`);
  return failure.exitCode;
}

const configurationTodo = 'correct what it names; lastgood validate checks it again';
const faultTodo = 'this is a fault of lastgood; the same command with --verbose shows where';

function failureOf(error: unknown, usage: string): CliFailure {
  if (error instanceof CliFailure) {
    // Bad use that has no better remedy of its own: how the verb is typed.
    const isBare = error.exitCode === exitCodes.badUse && error.todo === null;
    return isBare ? new CliFailure(error.exitCode, error.what, usage, { cause: error }) : error;
  }
  if (error instanceof CommanderError) {
    // A group without one of its verbs: the parser shows the help and has no words of its own.
    const what = error.code === 'commander.help' ? 'a verb is missing' : error.message.replace(/^error: /, '');
    return badUse(what, usage);
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
