/**
 * A configuration names its secrets by file or by environment; its schema has no place for one. What could still be one is an
 * address that carries it: a user with a password, or a value of the query.
 */
export function redactedConfiguration(text: string): { text: string; redacted: boolean } {
  const redacted = text
    .replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@'"]+@/gi, '$1[redacted]@')
    .replace(/([?&](?:[a-z_-]*(?:token|key|secret|password|signature|sig|auth|code))=)[^\s&'"#]+/gi, '$1[redacted]')
    .replace(/(https?:\/\/hooks\.[^\s/'"]+\/)[^\s'"]+/gi, '$1[redacted]');
  return { text: redacted, redacted: redacted !== text };
}
