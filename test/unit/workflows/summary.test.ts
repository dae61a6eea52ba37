import { inBytes } from '../../../workflows/summary';

test.each(['abc', 'щ', '真', '🙂'])('what a person wrote is cut by bytes, never within a letter: %s', (letter) => {
  const bytes = Buffer.byteLength(letter);
  const cut = inBytes(letter.repeat(500));
  expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(360);
  expect(Buffer.byteLength(cut)).toBeGreaterThan(360 - 5);
  expect(Buffer.from(cut).toString()).toBe(cut);
  expect(letter.repeat(500).startsWith(cut)).toBe(true);
  expect(Buffer.byteLength(inBytes(letter, 4))).toBe(bytes);
});
