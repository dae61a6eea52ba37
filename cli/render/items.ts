import type { ItemsView, ItemsProgress } from '../../api/types';
import { countWords, NO_ITEMS, type ItemCounts } from '../../workflows/contract/item-counts';
import { recordOf, textOf } from '../story/facts';
import type { Facts } from '../types';
import { moment } from './words';

/** One incident: what was treated, how, and who signed it off. */
export function renderItems(service: string, view: ItemsView): string[] {
  const { incident, began, treated, ended, progress, signedOff } = view;
  const going = (progress?.pipelines ?? []).filter(
    ({ name }) => !treated.some(({ facts }) => facts['pipeline'] === name),
  );
  return [
    `${service} ${incident}: ${began.summary}`,
    ...treated.map(({ summary, facts }) => `  ${summary}; ${guaranteeWords(facts['guarantee'])}`),
    ...going.map((one) => `  ${progressWords(one, progress?.pinnedUntil)}`),
    ...signedOff.map(({ at, summary }) => `  ${moment(at)}: ${summary}`),
    ...(ended === null ? ['  not ended yet'] : signedOff.length === 0 ? ['  not signed off'] : []),
  ];
}

/** `pinnedUntil`: sessions may be on the degraded version until then, and nothing is looked for before. */
export function progressWords(
  { name, action, phase, counts, total, down }: ItemsProgress['pipelines'][number],
  pinnedUntil?: number,
): string {
  const of = total === null ? '' : ` of ${total}`;
  const told = down === null ? '' : `; down since ${moment(down.since)}: ${down.why}`;
  if (phase === 'waits' && pinnedUntil !== undefined)
    return `${name} (${action}): waits until ${moment(pinnedUntil)}, when no session is on the degraded version any more`;
  return `${name} (${action}): ${phase}, ${countWords(counts)}${of}${told}`;
}

export function guaranteeWords(guarantee: unknown): string {
  const facts = recordOf({ guarantee } as Facts, 'guarantee');
  const kind = facts === null ? null : textOf(facts, 'kind');
  if (kind === null || facts === null) return 'nothing was asked';
  return `${kind.replaceAll('-', ' ')}: ${textOf(facts, 'why') ?? ''}`;
}

/** Entries of older releases may lack one. */
export function countsOf(facts: unknown): ItemCounts | null {
  const counts = recordOf({ counts: facts } as Facts, 'counts');
  return counts === null ? null : { ...NO_ITEMS, ...counts };
}
