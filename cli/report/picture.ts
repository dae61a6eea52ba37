/** What lastgood itself draws; whatever else a file holds is not put into a page. */
const elements = /^(?:svg|title|desc|style|g|rect|line|text|path|circle)$/;
const attributes = /^(?:xmlns|viewBox|width|height|role|aria-labelledby|id|class|x|y|x1|y1|x2|y2|cx|cy|r|d|transform)$/;
const mark = /<[^>]*>/g;
const limitChars = 500_000;

/**
 * A kept picture in a form that may stand in a page: no script, no address, no element or attribute but those that
 * lastgood draws with. `suffix` keeps the ids of several pictures apart. Null: it is not such a picture.
 */
export function embeddable(svg: string, suffix: string): string | null {
  const source = svg.trim();
  if (source.length > limitChars || !source.startsWith('<svg ') || !source.endsWith('</svg>')) return null;
  if (/[<>]/.test(source.replaceAll(mark, ''))) return null;
  if (![...source.matchAll(mark)].every(([tag]) => isKnown(tag))) return null;
  if ([...source.matchAll(/<style>([^<]*)<\/style>/g)].some(([, style]) => /url|@import|@font|\\|&/i.test(style ?? '')))
    return null;
  return source
    .replaceAll(/ id="([^"]*)"/g, (_, id: string) => ` id="${id}-${suffix}"`)
    .replaceAll(/ aria-labelledby="([^"]*)"/g, (_, ids: string) => {
      const renamed = ids.split(' ').map((id) => `${id}-${suffix}`);
      return ` aria-labelledby="${renamed.join(' ')}"`;
    });
}

function isKnown(tag: string): boolean {
  const closing = /^<\/([A-Za-z]+)>$/.exec(tag);
  if (closing) return elements.test(closing[1] ?? '');
  const opening = /^<([A-Za-z]+)((?: [A-Za-z0-9-]+="[^"<>]*")*) ?\/?>$/.exec(tag);
  if (!opening || !elements.test(opening[1] ?? '')) return false;
  return [...(opening[2] ?? '').matchAll(/ ([A-Za-z0-9-]+)="([^"]*)"/g)].every(
    ([, name, value]) => attributes.test(name ?? '') && (name !== 'xmlns' || value === 'http://www.w3.org/2000/svg'),
  );
}

/** The words of a picture, for those who cannot see it. */
export function wordsOfPicture(svg: string): string {
  const [, words = ''] = /<desc[^>]*>([^<]*)<\/desc>/.exec(svg) ?? [];
  return words.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
}
