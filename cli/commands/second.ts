import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { renderAnswer } from '../render/acts';
import { moment } from '../render/words';
import { requireReason, type ActOptions } from './acts';

/** `lastgood proposals`: acts that wait for a second person. */
export async function proposals(context: Context): Promise<number> {
  const waiting = await context.client().proposals();
  if (context.json) printJson(context.terminal, { proposals: waiting });
  else if (waiting.length === 0) printLines(context.terminal, ['nothing waits for a second person']);
  else
    printLines(
      context.terminal,
      waiting.flatMap(({ id, service, act, by, reason, until }) => [
        `${id}  ${act} of ${service}, by ${by}: ${reason}`,
        `  until ${moment(until)}: lastgood second ${id} --reason '…'`,
      ]),
    );
  return exitCodes.ok;
}

/** `lastgood second <proposal>`: the second person's word; the decision is the service workflow's. */
export async function second(context: Context, input: ActOptions & { readonly id: string }): Promise<number> {
  const reason = requireReason(input, `lastgood second ${input.id}`);
  const answer = await context.client().second(input.id, reason);
  if (context.json) printJson(context.terminal, answer);
  else printLines(context.terminal, renderAnswer(answer));
  return answer.decision === 'refused' ? exitCodes.refused : exitCodes.ok;
}
