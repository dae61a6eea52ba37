import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { referencePage, referenceRows } from '../../workers/configuration/reference';
import { repository } from '../support/documented-commands';

const docs = join(repository, 'docs');

test('the page of all keys is that of the schema that reads the file', () => {
  // When this fails: build, and run the command that stands in the page.
  expect(readFileSync(join(docs, 'configuration-reference.md'), 'utf8')).toBe(referencePage());
});

test('it has the keys that people look for, each with its value and default', () => {
  const rows = referenceRows();
  const of = (key: string): [string, string] | undefined => {
    const row = rows.find((one) => one.key === key);
    return row && [row.value, row.default];
  };
  expect(of('services.<name>.samples.share')).toEqual(['number, 0 to 1', '`0`']);
  expect(of('services.<name>.model')).toEqual(['text', 'required']);
  expect(of('services.<name>.chaos')).toEqual(['`refuse`, `ask`, `allow`', '`refuse`']);
  expect(of('services.<name>.serving (runtime: docker).image')?.[1]).toBe('required');
  expect(of('services.<name>.legalHold.reason')).toEqual(['text', 'required']);
  expect(of('dataDir')).toEqual(['text', '`.lastgood`']);
  expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length);
  expect(rows.length).toBeGreaterThan(250);
});

test('every key is explained on the page of the configuration, or on one that it leads to', () => {
  const pages = [
    'configuration.md',
    'caches.md',
    'security.md',
    'detection.md',
    'what-goes-where.md',
    'installation.md',
  ];
  const words = new Set(
    pages.flatMap((name) => readFileSync(join(docs, name), 'utf8').match(/[A-Za-z][A-Za-z0-9]*/g) ?? []),
  );
  const unexplained = referenceRows()
    .map(({ key }) => key)
    .filter((key) => !words.has(/([A-Za-z0-9]+)[^A-Za-z0-9]*$/.exec(key)?.[1] ?? ''));
  expect(unexplained).toEqual([]);
});
