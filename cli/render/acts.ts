import type { Answer } from '../../api/types';

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
