import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from '../support/documented-commands';

const page = readFileSync(join(repository, 'docs', 'security.md'), 'utf8');
const rows = [...page.matchAll(/^\| (3\.\d\.\d) *\|(.*)\|(.*)\|(.*)\|$/gm)].map(([, id = '', , , tests = '']) => ({
  id,
  tests,
}));

/** `file` "title", "title"; `file` … */
function citations(cell: string): { file: string; title: string }[] {
  let file = '';
  return [...cell.matchAll(/`([^`]+)`|"([^"]+)"/g)].flatMap(([, path, title]) => {
    if (path !== undefined) {
      file = path;
      return [];
    }
    return [{ file, title: title ?? '' }];
  });
}

test('every requirement of C3.1 to C3.3 has a row, in order', () => {
  const numbers = (part: number, last: number): string[] =>
    Array.from({ length: last }, (_unused, at) => `3.${part}.${at + 1}`);
  expect(rows.map(({ id }) => id)).toEqual([...numbers(1, 5), ...numbers(2, 7), ...numbers(3, 3)]);
});

test('every row names tests, or says that it is not of this tool', () => {
  const without = rows.filter(({ tests }) => citations(tests).length === 0).map(({ id }) => id);
  expect(without).toEqual(['3.2.5']);
});

test('each test that is named exists, in that file and by that title', () => {
  const cited = rows.flatMap(({ id, tests }) => citations(tests).map((one) => ({ id, ...one })));
  expect(cited.length).toBeGreaterThan(20);
  const wrong = cited.filter(({ file, title }) => {
    if (!existsSync(join(repository, file))) return true;
    const text = readFileSync(join(repository, file), 'utf8');
    // As an argument of `test` or `it`, whatever stands between a table and its title.
    return !new RegExp(`['"\`]${title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}['"\`],\\s*(async )?[({]`).test(text);
  });
  expect(wrong).toEqual([]);
});
