/**
 * The digest of a version in the path that it was loaded from: verified artifacts lie in directories that are named by
 * the digest of their manifest. Null for any other path.
 */
export function digestInPath(path: string): string | null {
  const named = path.split('/').filter((part) => /^[0-9a-f]{64}$/.test(part));
  const last = named.at(-1);
  return last === undefined ? null : `sha256:${last}`;
}
