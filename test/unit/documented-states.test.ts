import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { alertTitles } from '../support/alert-titles';
import { repository } from '../support/documented-commands';

const text = readFileSync(join(repository, 'docs', 'operations.md'), 'utf8');
/** Every heading of the third rank with what stands below it. */
const sections = new Map(
  text
    .split(/^(?=#{2,3} )/m)
    .filter((part) => part.startsWith('### '))
    .map((part) => [part.slice(4, part.indexOf('\n')), part.slice(part.indexOf('\n')).trim()]),
);

/** The words of a union of strings: of a type of that name, or of a property of that name in an interface or object type. */
function unionIn(file: string, name: string): string[] {
  const found: string[] = [];
  const take = (type: ts.TypeNode): void => {
    if (ts.isUnionTypeNode(type)) type.types.forEach(take);
    else if (ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal)) found.push(type.literal.text);
  };
  const visit = (node: ts.Node): void => {
    if ((ts.isTypeAliasDeclaration(node) || ts.isPropertySignature(node)) && node.name.getText() === name && node.type)
      take(node.type);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readFileSync(join(repository, file), 'utf8'), ts.ScriptTarget.ES2022, true));
  return [...new Set(found)];
}

test.each<[string, string, string, (word: string) => string]>([
  ['condition of status', 'cli/service-condition.ts', 'word', (word) => `\`${word}\``],
  ['phase of an incident', 'domain/service/state.ts', 'IncidentPhase', (word) => `Incident \`${word}\``],
  ['step that may wait for a person', 'domain/rollback/plan.ts', 'StepName', (word) => `Waits at \`${word}\``],
  ['mode', 'domain/policy.ts', 'Mode', (word) => `Mode \`${word}\``],
  ['standing of a version', 'domain/version.ts', 'Standing', (word) => `Version \`${word}\``],
  ['verdict of a tier', 'domain/detection/types.ts', 'VerdictKind', (word) => `Verdict \`${word}\``],
])('every %s has a heading that says what it means', (_what, file, name, heading) => {
  const words = unionIn(file, name);
  expect(words.length).toBeGreaterThan(1);
  expect(words.filter((word) => (sections.get(heading(word)) ?? '').length < 10)).toEqual([]);
});

test('every alert that the code can send has a heading with its title, and what to do', () => {
  const titles = alertTitles().filter(({ title }) => title !== '…');
  expect(titles.length).toBeGreaterThan(40);
  const missing = titles.filter(({ title }) => (sections.get(title) ?? '').length < 10);
  expect(missing).toEqual([]);
});

test('no heading is about an alert that nothing sends', () => {
  const from = text.indexOf('## Every alert, by its title');
  const part = text.slice(from, text.indexOf('\n## ', from + 5));
  const titles = new Set(alertTitles().map(({ title }) => title));
  const headings = [...part.matchAll(/^### (.*)$/gm)].map(([, heading = '']) => heading);
  expect(headings.filter((heading) => !titles.has(heading))).toEqual([]);
  // Each has a command, or says that there is nothing to do.
  expect(headings.filter((heading) => !/`lastgood|Nothing to do/.test(sections.get(heading) ?? ''))).toEqual([]);
});
