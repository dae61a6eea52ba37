import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { renderIncidents } from '../render/incidents';

/** `lastgood incidents [service]`: newest first. */
export async function incidents(context: Context, input: { service?: string; limit: number }): Promise<number> {
  const found = await context.client().incidents(input);
  if (context.json) printJson(context.terminal, { incidents: found });
  else printLines(context.terminal, renderIncidents(found));
  return exitCodes.ok;
}
