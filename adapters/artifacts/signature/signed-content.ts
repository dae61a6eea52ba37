import { createHash } from 'node:crypto';
import type { Manifest } from '../manifest';
import { MANIFEST, printable } from '../paths';
import type { Resource, SignatureProblem, SignedStatement } from './bundle';

/** What the tool calls a hash → what Node does. BLAKE3 is not in Node. */
const ALGORITHMS: Readonly<Record<string, string>> = { sha256: 'sha256', blake2b: 'blake2b512' };

/**
 * Whether what was signed is this artifact. The manifest must be signed; every other file is then signed through its
 * digest in it. What the statement says of them is compared all the same, where it is SHA-256 over whole files: a signed
 * file that is missing, or that is another one, is a problem whoever is right.
 */
export function signedContentProblem(
  statement: SignedStatement,
  manifest: Manifest,
  manifestBytes: Uint8Array,
): SignatureProblem | null {
  const { resources, rootDigest } = statement;
  const root = createHash('sha256');
  for (const { digest } of resources) root.update(Buffer.from(digest, 'hex'));
  const found = root.digest('hex');
  if (found !== rootDigest)
    return { expected: `resources that hash to ${rootDigest}`, found: `some that hash to ${found}` };
  const seen = new Set<string>();
  for (const { name } of resources) {
    if (seen.has(name)) return { expected: 'each resource once', found: `${printable(name)} twice` };
    seen.add(name);
  }
  const signed = statement.resources.filter((resource) => fileOf(statement, resource) === MANIFEST);
  return manifestProblem(statement, signed, manifestBytes) ?? filesProblem(statement, manifest);
}

function manifestProblem(
  { method }: SignedStatement,
  signed: readonly Resource[],
  bytes: Uint8Array,
): SignatureProblem | null {
  const [resource] = signed;
  if (resource === undefined) {
    const expected = `a signature over ${MANIFEST} too (sign the directory after the manifest was written)`;
    return { expected, found: 'one over other files only' };
  }
  const { algorithm, digest, name } = resource;
  const whole = method === 'files' || name === `${MANIFEST}:0:${bytes.length}`;
  if (!whole) return { expected: `all ${bytes.length} bytes of ${MANIFEST} signed`, found: printable(name) };
  // A sharded hash carries the size of its shards in its name: sha256-1000000.
  const hash = ALGORITHMS[method === 'files' ? algorithm : (algorithm.split('-')[0] ?? '')];
  if (hash === undefined) {
    const expected = `${MANIFEST} signed by ${Object.keys(ALGORITHMS).join(' or ')}`;
    return { expected, found: `${printable(algorithm)}, which cannot be checked here: sign it again` };
  }
  const found = createHash(hash).update(bytes).digest('hex');
  return found === digest ? null : { expected: `${MANIFEST} with ${algorithm} ${digest}, as signed`, found };
}

function filesProblem(statement: SignedStatement, manifest: Manifest): SignatureProblem | null {
  const files = new Map(manifest.files.map((file) => [file.path, file]));
  for (const resource of statement.resources) {
    const path = fileOf(statement, resource);
    if (path === MANIFEST) continue;
    const file = files.get(path);
    if (file === undefined) return { expected: `the signed file ${printable(path)}`, found: 'none in the manifest' };
    if (statement.method === 'files' && resource.algorithm === 'sha256' && resource.digest !== file.sha256)
      return { expected: `${path} with sha256 ${resource.digest}, as signed`, found: file.sha256 };
  }
  return null;
}

/** A shard is called `path:from:to`. */
function fileOf({ method }: SignedStatement, { name }: Resource): string {
  return method === 'files' ? name : name.replace(/:\d+:\d+$/, '');
}
