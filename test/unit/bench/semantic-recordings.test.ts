import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { csvRows } from '../../../bench/semantic/csv';
import { answersOf, reported } from '../../../bench/semantic/power';
import { releasePairs } from '../../../bench/semantic/recordings';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';

test('a CSV text keeps line breaks, commas and quotes inside quotes', () => {
  expect(csvRows('a,b,c\r\n1,"x, ""y""\nz",\n"",2,3\n')).toEqual([
    { a: '1', b: 'x, "y"\nz', c: '' },
    { a: '', b: '2', c: '3' },
  ]);
  expect(csvRows('a,b\n1,2')).toEqual([{ a: '1', b: '2' }]);
  expect(csvRows('')).toEqual([]);
});

afterAll(removeTemporary);

describe('recordings of answers', () => {
  const write = (rows: string[]): string => {
    const directory = temporaryDirectory('recordings');
    mkdirSync(join(directory, 'llm-drift'));
    writeFileSync(join(directory, 'llm-drift', 'RIDDLES_FULL_EVAL.csv'), ['model,query,answer', ...rows].join('\n'));
    return directory;
  };
  const answers = (model: string, count: number): string[] =>
    Array.from({ length: count }, (_, prompt) => `${model},question ${prompt % 45},${model} says ${prompt}`);

  test('are paired by prompt, release after release of the same model', () => {
    const directory = write([...answers('lab/m-2-0613', 50), ...answers('lab/m-2-0301', 50), ...answers('other', 50)]);
    const [pair, ...others] = releasePairs(directory);
    expect(others).toEqual([]);
    expect(pair).toMatchObject({ name: 'riddles.m-2', releases: ['lab/m-2-0301', 'lab/m-2-0613'] });
    // Questions that were asked twice are prompts of their own.
    expect(pair?.before).toHaveLength(50);
    expect(pair?.before[47]).toBe('lab/m-2-0301 says 47');
    expect(pair?.after[47]).toBe('lab/m-2-0613 says 47');
  });

  test('without two releases, or without files, cannot be measured', () => {
    expect(() => releasePairs(write(answers('lab/m-2-0613', 50)))).toThrow('no two releases');
    expect(() => releasePairs(temporaryDirectory('recordings'))).toThrow('found no *.csv');
  });
});

test('the measured power is high for a difference, and the measured size low without one, in both designs', () => {
  const draw = normalDraws(mulberry32(3));
  const release = (shift: number): Float32Array[] =>
    Array.from({ length: 60 }, () => Float32Array.from({ length: 4 }, () => draw() + shift));
  const both = answersOf(release(0), release(1.5));
  const settings = { level: 0.05, permutations: 39, cells: 3, repeats: 120 };
  for (const design of ['unpaired', 'paired'] as const) {
    expect(reported(both, { design, n: 20, differ: true }, settings, 1).energy).toBeGreaterThan(0.95);
    const size = reported(both, { design, n: 20, differ: false }, settings, 1).energy;
    expect(size).toBeLessThan(0.12);
    expect(size).toBeGreaterThan(0);
  }
});
