import type { ReportDocument, ReportPart, ReportPicture } from '../../cli/report/document';
import { wordsOfPicture } from '../../cli/report/picture';
import { el, newId } from '../dom';
import { tableOf } from './tables';

/** The sections of a report, with links to them: the words are the report's, only the form is the page's. */
export function reportSections({ sections }: ReportDocument): HTMLElement[] {
  const named = sections.map((section) => ({ ...section, id: newId('part') }));
  return named.map(({ id, title, parts }) =>
    el('section', { 'aria-labelledby': id }, [el('h2', { id }, title), ...parts.map(partOf)]),
  );
}

function partOf(part: ReportPart): HTMLElement {
  switch (part.kind) {
    case 'text':
      return el('p', {}, part.text);
    case 'list':
      return el(
        'ul',
        {},
        part.items.map((item) => el('li', {}, item)),
      );
    case 'command':
      return el('pre', { tabindex: 0 }, [el('code', {}, part.text)]);
    case 'table':
      return tableOf(part.head, part.rows);
    case 'picture':
      return pictureOf(part.picture);
  }
}

/** As an image: the policy of the page lets no style of the picture's own into it, and no script runs in one. */
function pictureOf({ caption, svg, why }: ReportPicture): HTMLElement {
  if (svg === null) return el('p', {}, `${caption}: ${why ?? 'it cannot be shown here'}`);
  const address = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  const image = el('img', { src: address, alt: wordsOfPicture(svg), width: 760, height: 420 });
  image.addEventListener('load', () => URL.revokeObjectURL(address), { once: true });
  return el('figure', {}, [image, el('figcaption', {}, caption)]);
}
