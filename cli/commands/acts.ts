import type { ActName } from '../../api/types';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse } from '../failure';
import { renderAnswer, renderProposal } from '../render/acts';
import { followOperation } from './follow-operation';

export interface ActOptions {
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly wait?: boolean;
}

/** One act of a person: service, message, and how it would be typed (for whom it is refused for lack of a reason). */
export interface Act {
  readonly service: string;
  readonly name: ActName;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly options: ActOptions;
}

/** A reason, or the exact command to type. Called before anything is asked, so that a wrong use costs nothing. */
export function requireReason(options: ActOptions, command: string): string {
  const reason = options.reason?.trim() ?? '';
  if (reason === '')
    throw badUse('every act needs a reason, and none was given', `${command} --reason 'why you do it'`);
  if (reason.length > 500) throw badUse(`--reason: found ${reason.length} characters, expected at most 500`);
  return reason;
}

/** Sends the act and says what was decided; ends with 1 when it was refused, which it also is when nothing came of it. */
export async function perform(context: Context, act: Act, reason: string): Promise<number> {
  const { service, name, fields, options } = act;
  const { terminal } = context;
  const dryRun = options.dryRun ? { dryRun: true } : {};
  const client = context.client();
  const head =
    options.wait === true ? ((await client.ledger(service, { newestFirst: true, limit: 1 })).head?.seq ?? 0) : 0;
  const answer = await client.act(service, name, { ...fields, reason, ...dryRun });
  if ('until' in answer) {
    if (context.json) printJson(terminal, { ...answer, decision: 'proposed', done: false });
    else printLines(terminal, renderProposal(answer));
    return exitCodes.needsHuman;
  }
  const done = answer.decision === 'planned' || answer.decision === 'accepted';
  if (context.json) printJson(terminal, { service, act: name, ...answer, done });
  else printLines(terminal, renderAnswer(answer));
  if (!done) return exitCodes.refused;
  if (options.wait !== true || answer.decision !== 'accepted' || answer.reference === null) return exitCodes.ok;
  const deployOf = fields['after'] === true && typeof fields['version'] === 'string' ? fields['version'] : null;
  return await followOperation(context, { service, operation: answer.reference, deployOf, afterSeq: head });
}
