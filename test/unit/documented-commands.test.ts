import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { CommanderError, type Command } from 'commander';
import { buildProgram } from '../../cli/program';
import { documentedCommands, repository, simpleCommands, variantsOf, wordsOf } from '../support/documented-commands';
import { onlyParsed, session, verbsElsewhere } from '../support/documented-session';

const commands = documentedCommands();
const scripts = Object.keys(
  (JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { scripts: object }).scripts,
);

function anyProgram(say: (line: string) => void = () => undefined): Command {
  const terminal = { isTerminal: false, out: () => undefined, err: say, repaint: () => undefined, now: () => 0 };
  return buildProgram(terminal, async () => undefined);
}

/** Parses by the real program and runs nothing. Null, or what the parser says. */
function problemOf(words: readonly string[]): string | null {
  let said = '';
  const program = anyProgram((line) => void (said += `${line} `));
  const quiet = (command: Command): void => {
    command.exitOverride();
    for (const one of command.commands) quiet(one);
  };
  quiet(program);
  if (words.length === 1 && words[0] === '--version') return null;
  // The bare name of a verb, or of a group of them, is how a sentence speaks of it.
  if (isName(program, words)) return null;
  try {
    program.parse([...words], { from: 'user' });
    return null;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return null;
    return said || String(error);
  }
}

function isName(program: Command, words: readonly string[]): boolean {
  let at: Command | undefined = program;
  for (const word of words) at = at?.commands.find((one) => one.name() === word);
  return at !== undefined;
}

const otherPrograms = new Set([
  'alias',
  'chmod',
  'cp',
  'curl',
  'docker',
  'head',
  'base64',
  'nginx',
  'echo',
  'install',
  'model_signing',
  'openssl',
  'printf',
  'sha256sum',
  'systemctl',
  'tar',
  'useradd',
  // Of an installed bundle: test/system/bundle.
  './lastgood-*/install.sh',
  '/opt/lastgood/bin/lastgood',
]);

/** A line of a script that only sets variables: the shell reads it. */
function problemOfAssignment(line: string): string | null {
  const { status, stderr } = spawnSync('bash', ['-n', '-c', line], { encoding: 'utf8' });
  return status === 0 ? null : stderr;
}

/** Null, or why such a command could not be typed in a checkout. */
function problemOfOther(command: string): string | null {
  const [program = '', ...words] = wordsOf(command);
  if (otherPrograms.has(program)) return null;
  const file = words.find((word) => !word.startsWith('-')) ?? '';
  const there = (path: string): string | null =>
    existsSync(join(repository, path)) ? null : `${path} is not in the repository`;
  if (program === 'npm') {
    if (file === 'ci' || file === 'install') return null;
    const script = file === 'run' ? (words.filter((word) => !word.startsWith('-'))[1] ?? '') : file;
    return scripts.includes(script) ? null : `no script ${script} in package.json`;
  }
  if (program === 'npx' && file === 'jest') {
    const path = words[words.indexOf('jest') + 1] ?? '';
    return there(path.endsWith('.ts') ? path : `${path}.test.ts`);
  }
  if (program === 'bash') return there(file);
  const compiled = /^(?:\/opt\/lastgood\/current\/)?dist\/(.*)\.js$/.exec(file)?.[1];
  if (program === 'node' && compiled !== undefined) return there(`${compiled}.ts`);
  return `${program}: not among the programs that this test knows`;
}

test('there are commands in the documents, of each kind', () => {
  const kinds = new Set(commands.map(({ kind }) => kind));
  expect([...kinds].sort()).toEqual(['block', 'inline', 'verb']);
  expect(commands.length).toBeGreaterThan(150);
});

test('every command of the documents can be typed: its verb and its options exist, its script or file is there', () => {
  const wrong = commands.flatMap(({ page, line, text, kind }) =>
    (kind === 'block' ? [text] : variantsOf(text)).flatMap((variant) =>
      (/^\w+=/.test(variant) ? [variant] : simpleCommands(variant)).flatMap((simple) => {
        const [program, ...words] = wordsOf(simple);
        const problem = /^\w+=/.test(simple)
          ? problemOfAssignment(simple)
          : program === 'lastgood'
            ? problemOf(words)
            : problemOfOther(simple);
        return problem === null ? [] : [`${page}:${line}: ${simple}: ${problem}`];
      }),
    ),
  );
  expect(wrong).toEqual([]);
});

describe('the table of what the tests do with them', () => {
  const listed = [...session.map(({ text }) => text), ...Object.values(onlyParsed).flat()];
  const texts = new Set(commands.filter(({ kind }) => kind !== 'verb').map(({ text }) => oneSpace(text)));

  test('has every command: one that is new in a page is run by the session, or says why not', () => {
    // A bare name of a verb in a sentence is held by the last test of this table.
    const mentioned = new Set(
      commands.filter(({ kind, text }) => kind === 'inline' && isMention(text)).map(({ text }) => text),
    );
    expect([...texts].filter((text) => !listed.includes(text) && !mentioned.has(text))).toEqual([]);
  });

  test('has no command that no page has any more, and none twice', () => {
    // Verbs of the tables are forms: what stands for them in the session is an example, found by its verb.
    const examples = new Set(session.filter(({ typed }) => typed !== undefined).map(({ text }) => text));
    const gone = listed.filter((text) => !texts.has(text));
    expect(gone.filter((text) => !examples.has(text) || !isName(anyProgram(), verbWords(text)))).toEqual([]);
    expect(new Set(listed).size).toBe(listed.length);
  });

  test('runs every verb of the program, or names the test that does', () => {
    const run = session.flatMap(({ text, typed }) => simpleCommands(typed ?? text).map((one) => verbOf(wordsOf(one))));
    const verbs = leavesOf(anyProgram());
    expect(verbs.filter((one) => !run.includes(one) && !(one in verbsElsewhere) && one !== 'up')).toEqual([]);
    const superfluous = Object.keys(verbsElsewhere).filter((one) => !verbs.includes(one) || run.includes(one));
    expect(superfluous).toEqual([]);
    for (const file of Object.values(verbsElsewhere))
      expect([file, existsSync(join(repository, file))]).toEqual([file, true]);
  });
});

function isMention(text: string): boolean {
  const [program, ...words] = wordsOf(text);
  return program === 'lastgood' && isName(anyProgram(), words);
}

function oneSpace(text: string): string {
  return text.replace(/(?<=\S) {2,}(?=\S)/g, ' ');
}

function verbWords(text: string): string[] {
  return wordsOf(text)
    .slice(1)
    .filter((word) => !word.startsWith('-'));
}

/** What a group does when no verb of it is named. */
const verbOfGroup: Readonly<Record<string, string>> = {
  caches: 'caches show',
  backup: 'backup make',
  restore: 'restore from',
};

function verbOf([program, ...words]: readonly string[]): string {
  if (program !== 'lastgood') return '';
  const path: string[] = [];
  let at: Command | undefined = anyProgram();
  for (const word of words) {
    at = at.commands.find((one) => one.name() === word);
    if (at === undefined) break;
    path.push(word);
  }
  const named = path.join(' ');
  return verbOfGroup[named] ?? named;
}

function leavesOf(command: Command, path: readonly string[] = []): string[] {
  if (command.commands.length === 0) return [path.join(' ')];
  return command.commands.flatMap((one) => leavesOf(one, [...path, one.name()]));
}

test('every link from one page to another leads to a page, and to a heading that is there', () => {
  const pages = ['README.md', ...readdirSync(join(repository, 'docs')).map((name) => `docs/${name}`)];
  const markdown = pages.filter((name) => name.endsWith('.md'));
  const anchors = new Map(markdown.map((name) => [name, anchorsOf(readFileSync(join(repository, name), 'utf8'))]));
  const broken = markdown.flatMap((name) =>
    [...readFileSync(join(repository, name), 'utf8').matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
      if (/^[a-z]+:/.test(link)) return [];
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? name : normalize(join(dirname(name), path));
      const there = existsSync(join(repository, target));
      const headed = anchor === undefined || (anchors.get(target)?.has(anchor) ?? true);
      return there && headed ? [] : [`${name}: ${link}`];
    }),
  );
  expect(broken).toEqual([]);
});

/** As GitHub makes them of headings. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.matchAll(/^#{1,6} (.*)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  );
}
