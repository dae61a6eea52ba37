import type { ReportDocument, ReportPart, ReportPicture } from './document';
import { wordsOfPicture } from './picture';
import { withoutControls } from './words';

/** The place of a picture beside the file, or null where there is no file to stand beside. */
export type PicturePlace = (picture: ReportPicture) => string | null;

/** A report as Markdown (with tables); foreign words can neither be markup nor links. */
export function markdownReport({ title, lead, sections }: ReportDocument, place: PicturePlace): string {
  const lines = [`# ${escaped(title)}`, '', lead.map(escaped).join(' ')];
  for (const section of sections) {
    lines.push('', `## ${escaped(section.title)}`);
    for (const part of section.parts) lines.push('', ...partLines(part, place));
  }
  return `${lines.join('\n')}\n`;
}

function partLines(part: ReportPart, place: PicturePlace): string[] {
  switch (part.kind) {
    case 'text':
      return [escaped(part.text)];
    case 'list':
      return part.items.map((item) => `- ${escaped(item)}`);
    case 'command':
      return fenced(part.text);
    case 'table':
      return [row(part.head), `|${part.head.map(() => '---').join('|')}|`, ...part.rows.map(row)];
    case 'picture':
      return pictureLines(part.picture, place);
  }
}

function pictureLines(picture: ReportPicture, place: PicturePlace): string[] {
  const { caption, svg, why } = picture;
  if (svg === null) return [escaped(`${caption}: ${why ?? 'not there'}`)];
  const words = wordsOfPicture(svg);
  const file = place(picture);
  if (file === null) return [escaped(`${caption}: ${words}`)];
  return [`![${escaped(caption)}](${encodeURIComponent(file)})`, '', escaped(words)];
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => escaped(cell) || ' ').join(' | ')} |`;
}

/** A fence that is longer than any that the words bring with them. */
function fenced(words: string): string[] {
  const longest = Math.max(2, ...[...words.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return [fence, withoutControls(words), fence];
}

function escaped(words: string): string {
  return withoutControls(words)
    .replaceAll(/[\\`*_[\]<>|~&]/g, '\\$&')
    .replaceAll('://', ':\\//')
    .replace(/^(\s*)([#+=-]|\d+(?=[.)](?:\s|$)))/, (_, space: string, sign: string) =>
      /\d/.test(sign) ? `${space}${sign}\\` : `${space}\\${sign}`,
    );
}
