import type { ArtifactProblem } from '../../domain/version';

export const MANIFEST = 'manifest.json';
/** Beside the manifest, as the tool of OpenSSF Model Signing writes it; the manifest never lists it. */
export const SIGNATURE = 'model.sig';
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
  // A backslash separates folders elsewhere; control characters cut names short in logs and in C; marks that nobody sees
  // (zero width, right to left) make a name read as another one.
  if (/[\\\p{C}\p{Zl}\p{Zp}]/u.test(path))
    return problem('invalid', 'a path without backslash, control characters or invisible ones');
  if (path !== path.normalize('NFC')) return problem('invalid', 'a path in Unicode form NFC');
  if (path.length > LIMIT_LENGTH || parts.length > LIMIT_DEPTH) {
    return problem('invalid', `at most ${LIMIT_LENGTH} characters and ${LIMIT_DEPTH} folders`);
  }
  if ([MANIFEST, SIGNATURE].some((own) => folded(path) === folded(own)))
    return problem('invalid', 'any file but the manifest and its signature');
  return null;
}

/** Letters of other scripts that look like these Latin ones, the usual ones. */
const LOOK_ALIKES: ReadonlyMap<string, string> = new Map(
  (
    'aаα bЬβ cсϲ dԁ eеε gɡ hһн iіιı jј kкκ lӏ mм nո oоο pрρ qԛ sѕ tтτ uυս vѵν wԝω xхχ yуγ'
      .split(' ')
      .map((letters) => Array.from(letters)) as [string, ...string[]][]
  ).flatMap(([latin, ...others]) => others.map((other) => [other, latin] as const)),
);

/** Equal for names that people, or a file system that ignores case, may take for one. */
function folded(path: string): string {
  const plain = path.normalize('NFKC').toUpperCase().toLowerCase();
  return Array.from(plain, (letter) => LOOK_ALIKES.get(letter) ?? letter).join('');
}

/** Paths that are one and the same on a file system that ignores case, or a file that another one uses as a folder. */
export function clashes(paths: readonly string[]): ArtifactProblem[] {
  const seen = new Map<string, string>();
  const problems: ArtifactProblem[] = [];
  for (const path of paths) {
    const key = folded(path);
    const other = seen.get(key);
    if (other !== undefined) {
      const expected = 'one name that differs by more than case or look';
      problems.push({ path, problem: 'invalid', expected, found: `also ${other}` });
    }
    seen.set(key, path);
  }
  for (const path of paths) {
    const parts = folded(path).split('/');
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
