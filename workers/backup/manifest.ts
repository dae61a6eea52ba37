import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { z } from 'zod';

/** Version of the archive's own form. */
export const backupForm = 1;
export const manifestName = 'manifest.json';

const point = z.strictObject({ seq: z.int().positive(), hash: z.string().regex(/^[0-9a-f]{64}$/) });
const service = z.strictObject({
  service: z.string().min(1),
  /** Of its chain; null: nothing was ever decided. */
  head: point.nullable(),
  entries: z.int().min(0),
  /** Where the chain did not hold when it was copied. */
  breaks: z.array(z.strictObject({ seq: z.int(), problem: z.string() })),
  /** Highest epoch that ledger and router knew, floor included. */
  highestEpoch: z.int().min(0),
  /** Mode that the ledger told; `restore` begins in `observe`, and `accept` goes back to this. */
  mode: z.enum(['observe', 'confirm', 'act']).nullable(),
  /** The version in force; null where the router has no route or could not be asked. */
  primary: z.string().nullable(),
});

const content = z.strictObject({
  form: z.int().positive(),
  release: z.string().min(1),
  schemas: z.strictObject({
    ledger: z.int().positive(),
    gateway: z.int().positive(),
    dataDirectory: z.int().positive(),
  }),
  madeAt: z.int(),
  host: z.string(),
  /** `running`: by the processes that own the files; `down`: read after the lock of the data directory was taken. */
  while: z.enum(['running', 'down']),
  configuration: z.strictObject({ file: z.string(), redacted: z.boolean() }),
  artifacts: z.enum(['included', 'digests']),
  services: z.array(service),
  /** What could not be read, in words. */
  notIncluded: z.array(z.string()),
  files: z.array(
    z.strictObject({ path: z.string().min(1), bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
});
export type BackupManifest = z.output<typeof content>;
export type BackedUpService = BackupManifest['services'][number];
export type BackupFile = BackupManifest['files'][number];

const manifestSchema = z.strictObject({ ...content.shape, digest: z.string() });

/** Only what says whether the rest may be read by the rules of this release. */
const outline = z.looseObject({ form: z.int(), release: z.string() });

/** The backup cannot be used; the message is one sentence for the user. */
export class BackupRefused extends Error {
  override readonly name = 'BackupRefused';
}

export function manifestText(manifest: BackupManifest): string {
  return `${JSON.stringify({ ...manifest, digest: digestOf(manifest) }, null, 1)}\n`;
}

/** Rejects, in this order: what is none, what another form or a newer release made, what was changed. */
export function readManifestText(file: string, text: string, release: string): BackupManifest {
  const value = parsed(text);
  const head = outline.safeParse(value);
  if (!head.success) throw new BackupRefused(`${file}: its ${manifestName} is none of a backup of lastgood`);
  const made = `${file} was made by lastgood ${head.data.release}`;
  if (isNewer(head.data.release, release))
    throw new BackupRefused(`${made}, this is lastgood ${release}: use lastgood ${head.data.release} or newer`);
  if (head.data.form !== backupForm)
    throw new BackupRefused(
      `${made} in the form ${head.data.form}, which this lastgood (${release}, form ${backupForm}) does not know`,
    );
  const whole = manifestSchema.safeParse(value);
  if (!whole.success)
    throw new BackupRefused(`${file}: ${manifestName} is not as lastgood writes it: ${z.prettifyError(whole.error)}`);
  const { digest, ...manifest } = whole.data;
  if (digest !== digestOf(manifest)) throw new BackupRefused(`${file}: ${manifestName} was changed after it was made`);
  return manifest;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function digestOf(manifest: BackupManifest): string {
  return createHash('sha256')
    .update(canonicalize(manifest) ?? '')
    .digest('hex');
}

/** A release that cannot be read as numbers is taken for a newer one: nobody knows what it wrote. */
export function isNewer(release: string, than: string): boolean {
  const [left, right] = [numbersOf(release), numbersOf(than)];
  if (left === null || right === null) return release !== than;
  const at = left.findIndex((number, index) => number !== right[index]);
  return at !== -1 && (left[at] ?? 0) > (right[at] ?? 0);
}

function numbersOf(release: string): number[] | null {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(release);
  return match === null ? null : match.slice(1).map(Number);
}
