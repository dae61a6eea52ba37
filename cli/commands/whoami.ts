import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';

/** `lastgood whoami`: the actor that acts of this caller carry, and its rights. */
export async function whoami(context: Context): Promise<number> {
  const me = await context.client().me();
  if (context.json) {
    printJson(context.terminal, me);
    return exitCodes.ok;
  }
  const { actor, rights, services, metrics } = me;
  printLines(context.terminal, [
    `${actor.name}, proven by ${actor.proof}, from ${actor.from}`,
    `roles: ${me.roles.join(', ') || 'none'}`,
    `may: ${rights.join(', ') || 'nothing'}`,
    `services: ${services?.join(', ') ?? 'all'}`,
    ...(metrics === null ? [] : [`may push: ${metrics.join(', ')}`]),
  ]);
  return exitCodes.ok;
}
