/**
 * At most so many characters of a sentence, ended where a part of it ends: a number cut in half would say something else.
 */
export function clipped(words: string, limit: number): string {
  if (words.length <= limit) return words;
  const head = words.slice(0, limit - 1);
  const part = head.lastIndexOf('; ');
  if (part > limit / 3) return head.slice(0, part);
  const word = head.lastIndexOf(' ');
  return `${head.slice(0, word > 0 ? word : limit - 1)}…`;
}
