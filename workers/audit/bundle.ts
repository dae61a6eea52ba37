import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import canonicalize from 'canonicalize';
import type { ChainedEntry } from '../../domain/ledger';
import { verifyScript } from './verify-script';

/** The key cannot sign, or the entries are none that a bundle could be made of; the message is for the user. */
export class BundleRefused extends Error {
  override readonly name = 'BundleRefused';
}

export interface BundleSource {
  readonly service: string;
  /** Consecutive entries of one chain, in order; at least one. */
  readonly entries: readonly ChainedEntry[];
  /** Heads that were noted outside the ledger, as lines of the anchor file. */
  readonly anchors: readonly { readonly seq: number; readonly hash: string; readonly at: number }[];
  /** What the entries name, as it was kept. */
  readonly attachments?: readonly Attachment[];
  /** What they name and could not be had, a sentence each. */
  readonly absent?: readonly string[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly at: number;
}

const endings = { picture: 'svg', list: 'ndjson', manifest: 'json', evaluation: 'json' } as const;

/** A file that is named by the SHA-256 of its bytes. */
export interface Attachment {
  readonly kind: keyof typeof endings;
  /** `sha256:…` of `text`. */
  readonly digest: string;
  readonly text: string;
  /** Incident or version that it belongs to. */
  readonly of: string;
}

/** Ed25519, PEM (PKCS #8), as `openssl genpkey -algorithm ed25519` writes it. Throws `BundleRefused`. */
export async function readSigningKey(file: string): Promise<KeyObject> {
  let key: KeyObject;
  try {
    key = createPrivateKey(await readFile(file));
  } catch (error) {
    throw new BundleRefused(`${file}: no private key: ${(error as Error).message}`);
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw new BundleRefused(`${file}: found a key of kind ${key.asymmetricKeyType}, expected ed25519`);
  return key;
}

/**
 * Writes a directory that proves itself: the entries as the bytes that were hashed, the anchors, what the entries name
 * (pictures, lists of items, manifests and evaluation reports of versions), a manifest with the SHA-256 of each file, its
 * Ed25519 signature and `verify.mjs`. The directory must not be there: what was signed once is not overwritten.
 */
export async function writeBundle(directory: string, source: BundleSource, key: KeyObject): Promise<{ files: number }> {
  const { service, entries, anchors, attachments = [], absent = [], fromMs, toMs, at } = source;
  const [first, last] = [entries[0], entries.at(-1)];
  if (!first || !last) throw new BundleRefused(`${service}: no decision is on record in that time`);
  const attached = attachments.map(({ kind, digest, of }) => ({ kind, of, digest, file: fileOf(kind, digest) }));
  const files: Record<string, string> = {
    ...Object.fromEntries(attachments.map(({ kind, digest, text }) => [fileOf(kind, digest), text])),
    'entries.jsonl': entries.map((entry) => `${lineOf(entry)}\n`).join(''),
    'anchors.jsonl': anchors.map((anchor) => `${JSON.stringify(anchor)}\n`).join(''),
  };
  const manifest = canonicalize({
    form: 'lastgood-audit-2',
    service,
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    exportedAt: new Date(at).toISOString(),
    first: { seq: first.seq, previousHash: first.previousHash },
    last: { seq: last.seq, hash: last.hash },
    files: Object.entries(files).map(([name, text]) => ({ name, sha256: sha256(text) })),
    attached,
    absent: [...absent],
  }) as string;
  await mkdir(directory, { mode: 0o700 });
  const whole = {
    ...files,
    'manifest.json': manifest,
    'manifest.sig': `${sign(null, Buffer.from(manifest), key).toString('base64')}\n`,
    'public-key.pem': createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString(),
    'verify.mjs': verifyScript,
  };
  for (const [name, text] of Object.entries(whole))
    await writeFile(join(directory, name), text, { flag: 'wx', mode: 0o600 });
  return { files: Object.keys(whole).length };
}

function fileOf(kind: Attachment['kind'], digest: string): string {
  return `${kind}-${digest.slice('sha256:'.length)}.${endings[kind]}`;
}

/** `entry` is the text that was hashed (RFC 8785): a reader recomputes the hash without knowing that form. */
function lineOf({ seq, previousHash, hash, ...entry }: ChainedEntry): string {
  return JSON.stringify({ seq, previousHash, hash, entry: canonicalize(entry) });
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
