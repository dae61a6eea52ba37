import { join } from 'node:path';
import { parseArgs } from 'node:util';

export interface DemoOptions {
  /** Leave everything running at the end. */
  readonly keep: boolean;
  /** Order of the mails, and which of them meet which delay. */
  readonly seed: number;
  /** Prepared mails and versions. */
  readonly data: string;
  /** What this run writes: configuration, ledger, logs. Made anew by each run. */
  readonly dir: string;
}

/** What was typed cannot be used; the message says what would. */
export class OptionsRefused extends Error {
  override readonly name = 'OptionsRefused';
}

const usage = 'usage: npm start -- [--keep] [--seed N] [--data DIR] [--dir DIR]';
const highestSeed = 2 ** 32 - 1;

export function readOptions(args: readonly string[]): DemoOptions {
  const values = parse(args);
  const seed = /^\d{1,10}$/.test(values.seed) ? Number(values.seed) : Number.NaN;
  if (!(seed <= highestSeed))
    throw new OptionsRefused(
      `--seed: found "${values.seed}", expected a whole number from 0 to ${highestSeed}\n${usage}`,
    );
  for (const name of ['data', 'dir'] as const)
    if (values[name] === '') throw new OptionsRefused(`--${name}: found nothing, expected a directory\n${usage}`);
  return { ...values, seed };
}

function parse(args: readonly string[]): { keep: boolean; seed: string; data: string; dir: string } {
  try {
    return parseArgs({
      args: [...args],
      options: {
        keep: { type: 'boolean', default: false },
        seed: { type: 'string', default: '7' },
        data: { type: 'string', default: join('.cache', 'mail-triage') },
        dir: { type: 'string', default: join('.lastgood', 'demo') },
      },
    }).values;
  } catch (error) {
    const said = error instanceof Error ? (error.message.split(/[.\n]/)[0] ?? '') : String(error);
    throw new OptionsRefused(`${said}\n${usage}`);
  }
}
