/**
 * The text of a log as the engine sends it without a terminal: frames of 8 bytes of head (stream, three zeros, length) and
 * their content. With a terminal there are no frames.
 */
export function logText(raw: Buffer, terminal: boolean): Buffer {
  if (terminal) return raw;
  const parts: Buffer[] = [];
  let at = 0;
  while (at + 8 <= raw.length) {
    const length = raw.readUInt32BE(at + 4);
    parts.push(raw.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts);
}
