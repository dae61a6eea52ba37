import type { Command } from 'commander';
import type { CommonOptions, Context } from './context';

export type Run = (options: CommonOptions, run: (context: Context) => Promise<number>) => Promise<void>;

/** A verb with the options that all of them take. */
export function verb(
  parent: Command,
  name: string,
  description: string,
  how: { readonly isDefault?: true } = {},
): Command {
  return parent
    .command(name, how)
    .description(description)
    .option('-c, --config <file>', 'configuration file', undefined)
    .option('--api <url>', 'controller on another address, such as https://host:7780')
    .option('--token-file <file>', 'file with the token of that controller')
    .option('--json', 'answer as JSON')
    .option('--verbose', 'show where a fault came from');
}

/** A verb that changes something. */
export function act(parent: Command, name: string, description: string): Command {
  return verb(parent, name, description)
    .option('--reason <text>', 'why: goes into the ledger with your name (required)')
    .option('--dry-run', 'only say what would happen');
}

export type Options = CommonOptions & Record<string, never>;

/** The fields that are given; a field that is there with `undefined` is another thing. */
export function some<T extends Record<string, unknown>>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
