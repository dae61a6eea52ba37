import { el } from '../dom';

/** A table that becomes a list of cards where there is no room; each cell says its column then. */
export function tableOf(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  caption: string | null = null,
): HTMLElement {
  return el('table', { class: head.length === 0 ? 'headless' : null }, [
    caption === null ? null : el('caption', {}, caption),
    head.length === 0
      ? null
      : el('thead', {}, [
          el(
            'tr',
            {},
            head.map((words) => el('th', { scope: 'col' }, words)),
          ),
        ]),
    el(
      'tbody',
      {},
      rows.map((cells) =>
        el(
          'tr',
          {},
          cells.map((words, column) =>
            el('td', { 'data-column': head[column] ?? null, class: words === '' ? 'none' : null }, words),
          ),
        ),
      ),
    ),
  ]);
}
