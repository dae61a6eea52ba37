import type { Answer, Proposal } from '../../api/types';
import { moment } from './words';

/** What was decided on an act; for a dry run the plan. */
export function renderAnswer(answer: Answer): string[] {
  switch (answer.decision) {
    case 'planned':
      return [
        'It would be accepted. The plan:',
        ...answer.plan.map((line) => `  ${line}`),
        'Nothing was done (--dry-run).',
      ];
    case 'refused':
      return [`REFUSED: ${answer.why}`, 'Nothing was done.'];
    case 'accepted':
      return [`${answer.why}${answer.reference === null ? '' : ` (${answer.reference})`}`];
  }
}

/** An act that one person alone may not do. */
export function renderProposal({ id, service, act, until }: Proposal): string[] {
  return [
    `${service} is regulated: ${act} needs a second person, and nothing was done yet.`,
    `By ${moment(until)} somebody else with the right to it types: lastgood second ${id} --reason '…'`,
  ];
}
