import type { Condition } from '../../cli/service-condition';
import { el } from '../dom';

const tones: Readonly<Record<Condition['word'], 'good' | 'busy' | 'bad'>> = {
  ok: 'good',
  acting: 'busy',
  degraded: 'bad',
  'needs a human': 'bad',
  unmeasured: 'busy',
  'not ready': 'busy',
  unreachable: 'bad',
};

/** The condition as a word; its colour only repeats it. */
export function conditionMark({ word }: Condition): HTMLElement {
  return el('p', { class: 'condition', 'data-tone': tones[word] }, word);
}
