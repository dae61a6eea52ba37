import type { ApiClient } from './api-client';
import type { Settings } from './settings';
import type { Terminal } from './terminal';

/** What every command gets. Client and settings are made when they are first asked for. */
export interface Context {
  readonly terminal: Terminal;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly options: CommonOptions;
  settings(): Settings;
  client(): ApiClient;
}

/** Options that every verb takes. */
export interface CommonOptions {
  readonly config?: string;
  readonly api?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** A command: what it ends the process with. */
export type Command<Input> = (context: Context, input: Input) => Promise<number>;

export function printJson(terminal: Terminal, value: unknown): void {
  terminal.out(JSON.stringify(value, null, 2));
}

export function printLines(terminal: Terminal, lines: readonly string[]): void {
  for (const line of lines) terminal.out(line);
}
