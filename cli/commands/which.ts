import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse } from '../failure';
import { parseMoment } from '../moment';
import { serviceFor } from '../names';
import { renderAnswer, renderAnswersAt } from '../render/which';

export interface WhichInput {
  readonly requestId?: string;
  readonly service?: string;
  readonly at?: string;
}

/** `lastgood which <request-id>` and `which --service S --at TIME`. Ends with 1 where the answer is `unknown`. */
export async function which(context: Context, input: WhichInput): Promise<number> {
  const { terminal } = context;
  if ((input.requestId === undefined) === (input.at === undefined))
    throw badUse(
      'which answer? expected either the id of a request or a service and a time',
      'lastgood which REQUEST-ID   or   lastgood which --service SERVICE --at "2026-11-23 10:00"',
    );
  if (input.requestId !== undefined) {
    const lookup = await context.client().answer(input.requestId);
    if (context.json) printJson(terminal, lookup);
    else printLines(terminal, renderAnswer(input.requestId, lookup));
    return lookup.known ? exitCodes.ok : exitCodes.refused;
  }
  const at = parseMoment('--at', input.at ?? '', terminal.now());
  const service = await serviceFor(context, input.service, (name) => `lastgood which --service ${name} --at TIME`);
  const found = await context.client().answersAt(service, at);
  if (context.json) printJson(terminal, found);
  else printLines(terminal, renderAnswersAt(service, found));
  return found.versions.length > 0 ? exitCodes.ok : exitCodes.refused;
}
