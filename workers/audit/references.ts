import type { ChainedEntry, Json } from '../../domain/ledger';

/** What entries name that lies elsewhere: pictures and lists by incident and digest, versions by name and digest. */
export interface References {
  readonly pictures: readonly { readonly incident: string; readonly digest: string }[];
  readonly lists: readonly { readonly incident: string; readonly digest: string }[];
  /** `digest` null: the entries have only its name. */
  readonly versions: readonly { readonly version: string; readonly digest: string | null }[];
}

const digestForm = /^sha256:[0-9a-f]{64}$/;
const versionFields = ['version', 'from', 'to', 'target', 'primary', 'fallback'];
const versionForm = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
const versionsMax = 1_000;

export function referencesOf(entries: readonly ChainedEntry[]): References {
  const pictures = new Map<string, { incident: string; digest: string }>();
  const lists = new Map<string, { incident: string; digest: string }>();
  const versions = new Map<string, Set<string>>();
  const named = (version: string, digest: Json | undefined): void => {
    if (!versionForm.test(version) || versions.size >= versionsMax) return;
    const digests = versions.get(version) ?? new Set();
    versions.set(version, digests);
    if (typeof digest === 'string' && digestForm.test(digest)) digests.add(digest);
  };
  for (const { kind, incident, facts } of entries) {
    if (incident !== null && kind === 'evidence-kept')
      for (const digest of digestsIn(facts)) pictures.set(digest, { incident, digest });
    else if (incident !== null && kind.startsWith('items-'))
      for (const digest of digestsIn(facts)) lists.set(digest, { incident, digest });
    walk(facts, (record) => {
      for (const field of versionFields) {
        const version = record[field];
        // `from` and `to` may be numbers of epochs, or dates.
        if (typeof version === 'string') named(version, field === 'version' ? record['digest'] : undefined);
      }
      const backends = record['backends'];
      if (!isRecord(backends)) return;
      for (const [version, copies] of Object.entries(backends))
        for (const copy of Array.isArray(copies) ? copies : []) if (isRecord(copy)) named(version, copy['digest']);
    });
  }
  return {
    pictures: [...pictures.values()],
    lists: [...lists.values()],
    versions: [...versions].flatMap(([version, digests]): References['versions'][number][] =>
      digests.size === 0 ? [{ version, digest: null }] : [...digests].map((digest) => ({ version, digest })),
    ),
  };
}

function digestsIn(value: Json): string[] {
  if (typeof value === 'string') return digestForm.test(value) ? [value] : [];
  if (Array.isArray(value)) return value.flatMap(digestsIn);
  return isRecord(value) ? Object.values(value).flatMap(digestsIn) : [];
}

function walk(value: Json, visit: (record: { readonly [key: string]: Json }) => void): void {
  if (Array.isArray(value)) for (const one of value) walk(one, visit);
  if (!isRecord(value)) return;
  visit(value);
  for (const one of Object.values(value)) walk(one, visit);
}

function isRecord(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
