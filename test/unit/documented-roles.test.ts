import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rights, roles, rolesWith } from '../../domain/roles';
import { packageDirectory } from '../../workers/program';

const page = readFileSync(join(packageDirectory(), 'docs', 'security.md'), 'utf8');

/** Rows of the table of roles: the words of the first column that stand as code, and the roles that are ticked. */
function documented(): Map<string, readonly string[]> {
  const [head = '', , ...rows] = (/\n(\| right \|[\s\S]*?)\n\n/.exec(page)?.[1] ?? '').split('\n');
  const columns = (line: string): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  const [, ...names] = columns(head);
  expect(names).toEqual(roles);
  return new Map(
    rows.flatMap((row) => {
      const [what = '', ...ticks] = columns(row);
      const who = names.filter((_, index) => ticks[index] === '✓');
      return [...what.matchAll(/`(\w+)`/g)].map(([, word]) => [word ?? '', who] as const);
    }),
  );
}

test('every right stands in the table of roles, with the roles that have it', () => {
  const table = documented();
  expect(Object.fromEntries(rights.map((right) => [right, table.get(right)?.toSorted() ?? 'missing']))).toEqual(
    Object.fromEntries(rights.map((right) => [right, rolesWith(right).toSorted()])),
  );
});
