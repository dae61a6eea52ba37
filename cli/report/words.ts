/** Foreign words on one line: line ends and control characters become spaces; marks that turn the reading order are shown. */
export function withoutControls(words: string): string {
  return readInOrder(words.replaceAll(/\p{Cc}+/gu, ' '));
}

export function readInOrder(words: string): string {
  return words.replaceAll(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}
