import { countWords } from '../../workflows/contract/item-counts';
import { countsOf, guaranteeWords } from '../render/items';
import { moment } from '../render/words';
import { textOf } from '../story/facts';
import type { Entry } from '../types';
import { who } from './decided';
import { command, list, tablePart, text, type ReportPart } from './document';

/** Items whose outcome a person must look at, by their ids; more are counted. */
export interface FlaggedItem {
  readonly pipeline: string;
  readonly item: string;
  readonly why: string;
}

/** What the degraded version handled in pipelines, what was done with it, and who signed it off. */
export function itemsTreated(entries: readonly Entry[], flagged: readonly FlaggedItem[], left: number): ReportPart[] {
  const began = entries.find(({ kind }) => kind === 'items-began');
  if (!began) return [];
  const treated = entries.filter(({ kind }) => kind === 'items-treated');
  const signed = entries.filter(({ kind }) => kind === 'items-signed-off');
  const rows = treated.map(({ at, facts }) => {
    const counts = countsOf(facts['counts']);
    const skipped = facts['skipped'] === true ? '; the rest was skipped' : '';
    return [
      textOf(facts, 'pipeline') ?? '?',
      textOf(facts, 'action') ?? '?',
      `${counts === null ? '?' : countWords(counts)}${skipped}`,
      guaranteeWords(facts['guarantee']),
      moment(at),
      textOf(facts, 'list') ?? '–',
    ];
  });
  return [
    text(`${began.summary}.`),
    ...tablePart(['pipeline', 'action', 'items', 'guarantee', 'ended', 'list, by its digest'], rows),
    ...(entries.some(({ kind }) => kind === 'items-ended') ? [] : [text('Not all of them are treated yet.')]),
    ...tablePart(
      ['pipeline', 'item to look at', 'why'],
      flagged.map(({ pipeline, item, why }) => [pipeline, item, why]),
    ),
    ...(left > 0 ? [text(`${left} more are in the lists.`)] : []),
    ...list(signed.map(({ at, summary, actor }) => `${moment(at)}: ${summary}, ${who(actor)}`)),
    ...(signed.length === 0
      ? [text('Nobody has signed them off yet. All of them by their ids:')]
      : [text('All of them by their ids:')]),
    command(`lastgood items show ${began.service} ${began.incident ?? ''}`),
  ];
}
