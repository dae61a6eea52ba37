import { existsSync } from 'node:fs';
import type { Finding } from '../checks/finding';
import { checkConfiguration, checkMachine } from '../checks/machine';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { renderFindings } from '../render/findings';
import { defaultConfigFile } from '../settings';

/** `lastgood doctor`: ends with 1 where something is wrong; what could not be measured is said, not guessed. */
export async function doctor(context: Context): Promise<number> {
  const file = context.options.config ?? defaultConfigFile;
  const findings: Finding[] = [
    ...(await checkMachine()),
    ...(await checkConfiguration(context, file, existsSync(file))),
  ];
  const bad = findings.some(({ level }) => level === 'wrong');
  if (context.json) printJson(context.terminal, { ok: !bad, findings });
  else printLines(context.terminal, renderFindings(findings));
  return bad ? exitCodes.degraded : exitCodes.ok;
}
