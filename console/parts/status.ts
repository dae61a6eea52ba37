import type { ServiceView } from '../../api/types';
import { statusParts, type StatusPart } from '../../cli/render/status';
import type { Condition } from '../../cli/service-condition';
import { el } from '../dom';
import { linkTo } from '../place';
import { tableOf } from './tables';

/** What is needed before anything else is read stands at the top, the rest below the charts. */
const atTop: readonly string[] = ['serves', 'mode', 'incident', 'doing', 'next'];

export function glance(view: ServiceView, condition: Condition, now: number): HTMLElement[] {
  const parts = statusParts(view, condition, now).filter(({ label }) => atTop.includes(label));
  const incident = view.status?.state.incident?.id;
  return [
    // Why it is not ready stands in the line above already.
    condition.reasons.length === 0 || condition.word === 'not ready'
      ? null
      : el(
          'ul',
          { class: 'reasons' },
          condition.reasons.map((reason) => el('li', {}, reason)),
        ),
    labelledLines(parts),
    incident === undefined
      ? null
      : el('p', {}, [el('a', { href: linkTo(view.service, incident) }, `The whole story of ${incident}`)]),
  ].filter((element) => element !== null);
}

/** The page of `lastgood status`, without what stands at the top. */
export function partsOf(view: ServiceView, condition: Condition, now: number): HTMLElement[] {
  const parts = statusParts(view, condition, now).filter(
    ({ label }) => !atTop.includes(label) && label !== 'condition',
  );
  return [
    labelledLines(parts),
    ...parts.flatMap((part) => {
      if ('lines' in part) return [];
      const { label, head, rows, none } = part;
      return [
        el('h3', {}, label),
        rows.length === 0 ? el('p', {}, none) : tableOf(head.length === 0 ? versionHead : head, rows),
      ];
    }),
  ];
}

/** The terminal has no room for a head above the versions. */
const versionHead = ['version', 'place', 'standing', 'last good', 'why'];

function labelledLines(parts: readonly StatusPart[]): HTMLElement {
  return el(
    'dl',
    {},
    parts.flatMap((part) =>
      'lines' in part
        ? [
            el('dt', {}, part.label),
            el(
              'dd',
              {},
              part.lines.map((line) => el('p', {}, line.startsWith('lastgood ') ? [el('code', {}, line)] : line)),
            ),
          ]
        : [],
    ),
  );
}
