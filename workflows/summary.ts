/** A server takes a summary of 400 bytes; a longer one fails the workflow task for ever. */
const LIMIT_BYTES = 360;

/** Cuts by the bytes of UTF-8: what a person wrote may have four of them for each letter. */
export function inBytes(text: string, limitBytes = LIMIT_BYTES): string {
  let bytes = 0;
  let cut = '';
  for (const letter of text) {
    bytes += bytesOf(letter.codePointAt(0) ?? 0);
    if (bytes > limitBytes) return cut;
    cut += letter;
  }
  return cut;
}

function bytesOf(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}
