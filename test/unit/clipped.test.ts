import { clipped } from '../../domain/clipped';

test('a sentence that fits stays as it is', () => {
  expect(clipped('5 of 5 requests failed; its own history says 0.5 %', 50)).toBe(
    '5 of 5 requests failed; its own history says 0.5 %',
  );
});

test('a long one ends with a whole part, never inside a number', () => {
  const words = '5 of 5 requests failed (100 %); its own history says 0.5 %; a false alarm comes once in 365 days';
  expect(clipped(words, 94)).toBe('5 of 5 requests failed (100 %); its own history says 0.5 %');
  expect(clipped('every answer was an error since 12345 seconds', 35)).toBe('every answer was an error since…');
  expect(clipped('x'.repeat(50), 10)).toBe(`${'x'.repeat(9)}…`);
});
