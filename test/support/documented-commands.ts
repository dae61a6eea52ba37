import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const repository = join(__dirname, '..', '..');

/** A command line as a page of documentation has it. */
export interface DocumentedCommand {
  readonly page: string;
  readonly line: number;
  /** Without its comment; lines that end in a backslash are one. */
  readonly text: string;
  /** `verb`: a row of a table of verbs, where `lastgood` is left out and `[…]` and `a|b` mean what they mean in a manual. */
  readonly kind: 'block' | 'inline' | 'verb';
}

const starts = /^(lastgood|curl|npm|npx|docker|kubectl|bash|node|openssl|systemctl|nginx|python3) /;
const pages = ['README.md', ...readdirSync(join(repository, 'docs')).map((name) => `docs/${name}`)]
  .filter((name) => name.endsWith('.md'))
  .sort();

/** Every command of the README and of docs/, in the order of the pages. */
export function documentedCommands(): DocumentedCommand[] {
  return pages.flatMap((page) => commandsIn(page, readFileSync(join(repository, page), 'utf8')));
}

export function commandsIn(page: string, text: string): DocumentedCommand[] {
  const found: DocumentedCommand[] = [];
  let fence: string | null = null;
  let ofVerbs = false;
  let begun: { line: number; text: string } | null = null;
  text.split('\n').forEach((line, at) => {
    const mark = /^\s*```(\w*)/.exec(line);
    if (mark) {
      fence = fence === null ? (mark[1] ?? '') : null;
      return;
    }
    if (fence !== null) {
      if (!['sh', 'bash', 'shell', ''].includes(fence)) return;
      const piece = withoutComment(line).trim();
      const whole: { line: number; text: string } = begun
        ? { ...begun, text: `${begun.text} ${piece}` }
        : { line: at + 1, text: piece };
      begun = whole.text.endsWith('\\') ? { ...whole, text: whole.text.slice(0, -1).trim() } : null;
      // A block without a language may be a drawing.
      if (!begun && whole.text !== '' && (fence !== '' || starts.test(whole.text)))
        found.push({ page, ...whole, kind: 'block' });
      return;
    }
    const cells = /^\|/.test(line) ? line.slice(1).split(/(?<!\\)\|/) : [];
    if (cells.length === 0) ofVerbs = false;
    else if (/^ *(verb|command) *$/.test(cells[0] ?? '')) ofVerbs = true;
    for (const code of codeOf(line)) {
      if (starts.test(code)) found.push({ page, line: at + 1, text: code, kind: 'inline' });
      else if (ofVerbs && (cells[0] ?? '').includes(`\`${code.replaceAll('|', '\\|')}\``))
        found.push({ page, line: at + 1, text: `lastgood ${code}`, kind: 'verb' });
    }
  });
  return found;
}

function codeOf(line: string): string[] {
  return [...line.matchAll(/(?<!`)`([^`]+)`(?!`)/g)].map(([, code = '']) => code.replaceAll('\\|', '|').trim());
}

/** A `#` that begins a word outside of quotes begins a comment. */
function withoutComment(line: string): string {
  let quote: string | null = null;
  for (let at = 0; at < line.length; at += 1) {
    const char = line[at] ?? '';
    if (quote !== null) quote = char === quote ? null : quote;
    else if (char === "'" || char === '"') quote = char;
    else if (char === '#' && (at === 0 || /\s/.test(line[at - 1] ?? ''))) return line.slice(0, at);
  }
  return line;
}

/** The simple commands of a line with `&&` and `|`; `NAME=value` before one is left out. */
export function simpleCommands(text: string): string[] {
  return split(text, /^(?:&&|\|\||\||;)/)
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

/** The words of a command as a shell makes them, without expansion. */
export function wordsOf(text: string): string[] {
  return split(text, /^\s+/)
    .filter((word) => word !== '')
    .map((word) => word.replace(/'([^']*)'|"([^"]*)"/g, (_all, one?: string, two?: string) => one ?? two ?? ''));
}

function split(text: string, by: RegExp): string[] {
  const parts = [''];
  let quote: string | null = null;
  for (let at = 0; at < text.length;) {
    const char = text[at] ?? '';
    const mark = quote === null ? by.exec(text.slice(at)) : null;
    if (mark) {
      parts.push('');
      at += mark[0].length;
      continue;
    }
    if (quote !== null) quote = char === quote ? null : quote;
    else if (char === "'" || char === '"') quote = char;
    parts[parts.length - 1] += char;
    at += 1;
  }
  return parts;
}

/** What a line of a manual stands for: `[x]` is there or not, of `a|b` each; every alternative occurs at least once. */
export function variantsOf(form: string): string[] {
  const optional = /\[([^\]]*)\]/g;
  const choice = /\S+\|\S+/g;
  const most = Math.max(
    1,
    ...[...form.matchAll(/\[([^\]]*)\]|(\S+\|\S+)/g)].map((m) => (m[1] ?? m[2] ?? '').split('|').length),
  );
  const full = Array.from({ length: most }, (_unused, nth) =>
    form
      .replace(optional, (_all, inner: string) => (inner.includes(' | ') ? nthOf(inner, ' | ', nth) : inner))
      .replace(choice, (word) => nthOf(word, '|', nth)),
  );
  const bare = form.replace(optional, ' ').replace(choice, (word) => nthOf(word, '|', 0));
  return [...new Set([bare, ...full].map((text) => text.replace(/\s+/g, ' ').trim()))];
}

function nthOf(choices: string, by: string, nth: number): string {
  const all = choices.split(by);
  return all[nth % all.length] ?? '';
}
