import type { ArtifactProblem } from '../../domain/version';

export const MANIFEST = 'manifest.json';
const LIMIT_DEPTH = 16;
const LIMIT_LENGTH = 512;

/** Why a path of a manifest is not one of a file inside the artifact; null when it is. */
export function pathProblem(path: string): ArtifactProblem | null {
  const problem = (kind: ArtifactProblem['problem'], expected: string): ArtifactProblem => ({
    path: printable(path),
    problem: kind,
    expected,
    found: printable(path),
  });
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return problem('escapes', 'a path relative to the manifest');
  const parts = path.split('/');
  if (parts.includes('..')) return problem('escapes', 'a path without ".."');
  if (parts.some((part) => part === '' || part === '.')) return problem('invalid', 'a path without empty or "." parts');
  // A backslash separates folders elsewhere; control characters and NUL cut names short in logs and in C.
  // eslint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  if (/[\\\u0000-\u001f\u007f]/.test(path)) return problem('invalid', 'a path without backslash or control characters');
  if (path !== path.normalize('NFC')) return problem('invalid', 'a path in Unicode form NFC');
  if (path.length > LIMIT_LENGTH || parts.length > LIMIT_DEPTH) {
    return problem('invalid', `at most ${LIMIT_LENGTH} characters and ${LIMIT_DEPTH} folders`);
  }
  if (path.toLowerCase() === MANIFEST) return problem('invalid', 'any file but the manifest itself');
  return null;
}

/** Paths that are one and the same on a file system that ignores case, or a file that another one uses as a folder. */
export function clashes(paths: readonly string[]): ArtifactProblem[] {
  const seen = new Map<string, string>();
  const problems: ArtifactProblem[] = [];
  for (const path of paths) {
    const folded = path.toLowerCase();
    const other = seen.get(folded);
    if (other !== undefined) {
      const expected = 'one name that differs by more than case';
      problems.push({ path, problem: 'invalid', expected, found: `also ${other}` });
    }
    seen.set(folded, path);
  }
  for (const path of paths) {
    const parts = path.toLowerCase().split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const file = seen.get(parts.slice(0, depth).join('/'));
      if (file !== undefined) {
        problems.push({ path, problem: 'invalid', expected: 'a folder above the file', found: `${file} is a file` });
      }
    }
  }
  return problems;
}

/** Safe to print: what is not a plain character is escaped, long names are cut. */
export function printable(text: string): string {
  const escaped = JSON.stringify(text.slice(0, 200)).slice(1, -1);
  return text.length > 200 ? `${escaped}…` : escaped;
}
