/** What a statement about the identity of a served model rests on; `none`: the server says nothing of itself. */
export type IdentityMeans =
  'reported-digest' | 'model-metadata' | 'response-header' | 'placed-files' | 'probe-fingerprint' | 'none';

/** Who answers at an address that something else runs, as it says of itself. */
export interface ObservedServing {
  /** Name that the configuration gives to the version at this address; null where one address tells its version. */
  readonly configured: string | null;
  /** `http://host:port`, no path. */
  readonly address: string;
  /** Name of the model, as its server knows it. */
  readonly model: string;
  /** See {@link identityKey}. */
  readonly key: string;
  /** What it calls itself, unchanged; null when it does not. */
  readonly version: string | null;
  readonly means: IdentityMeans;
}

/** What answered last at the address of the live version, and what was made of it. */
export interface SeenServing extends ObservedServing {
  /** Identity that answered there before; null when it is the first one. */
  readonly before: string | null;
  /** Nothing is left to decide on it. */
  readonly handled: boolean;
  /** Not what is declared, and not adopted. */
  readonly alarmed: boolean;
}

const VERSION_SCHEME = 'version:';
/** Of a server that reports nothing and has no golden probes: every content looks the same. */
export const NO_IDENTITY = 'none:';
const NAME_CHARS = 64;
const MARK_CHARS = 8;

/**
 * One text for an identity, used as the digest of the version: the reported digest (or fingerprint), else
 * `version:<what it calls itself>`, else `none:`. At most 200 characters.
 */
export function identityKey(identity: { readonly digest: string | null; readonly version: string | null }): string {
  if (identity.digest !== null && identity.digest !== '') return identity.digest.slice(0, 200);
  if (identity.version !== null && identity.version !== '') return `${VERSION_SCHEME}${identity.version}`.slice(0, 200);
  return NO_IDENTITY;
}

/** `sha256:`, `fingerprint:`, `version:` …: only digests of one scheme can be compared. */
export function schemeOf(digest: string): string {
  return digest.slice(0, digest.indexOf(':') + 1);
}

/**
 * Is what answers the version that was declared? `unknown` where the two statements cannot be compared: the digest of a
 * manifest and a fingerprint of answers, a digest and a server that says nothing.
 */
export function isSameIdentity(
  declared: { readonly digest: string; readonly version: string },
  seen: Pick<ObservedServing, 'key' | 'version'>,
): 'same' | 'other' | 'unknown' {
  if (schemeOf(declared.digest) === schemeOf(seen.key)) return declared.digest === seen.key ? 'same' : 'other';
  // It said who it is, and says nothing any more: another server, or another build of it.
  if (schemeOf(declared.digest) === VERSION_SCHEME || declared.digest === NO_IDENTITY) return 'other';
  if (schemeOf(seen.key) !== VERSION_SCHEME) return 'unknown';
  return seen.version !== null && versionNameOf(seen.version) === declared.version ? 'same' : 'other';
}

/** What a server calls itself, as a version name; null when nothing of it can be one. */
export function versionNameOf(reported: string): string | null {
  const name = reported
    .replace(/[^A-Za-z0-9._+-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, NAME_CHARS)
    .replace(/-+$/, '');
  return name === '' ? null : name;
}

/**
 * Name of an observed version: the configured one, else what it reports, else `observed-<first 8 of the digest>`. Where
 * the name stands for another content already, the first 8 characters of the identity are added: two contents never share
 * a name.
 */
export function observedName(
  seen: Pick<ObservedServing, 'configured' | 'version' | 'key'>,
  digestOf: (version: string) => string | undefined = () => undefined,
): string {
  const reported = seen.version === null ? null : versionNameOf(seen.version);
  const mark = markOf(seen.key);
  const base = seen.configured ?? reported ?? `observed-${mark}`;
  const free = (name: string): boolean => [undefined, seen.key].includes(digestOf(name));
  if (free(base)) return base;
  const marked = `${base.slice(0, NAME_CHARS - MARK_CHARS - 1)}-${mark}`;
  if (free(marked)) return marked;
  for (let count = 2; ; count += 1) {
    const numbered = `${marked.slice(0, NAME_CHARS - 6)}-${count}`;
    if (free(numbered)) return numbered;
  }
}

function markOf(key: string): string {
  const characters = key.slice(schemeOf(key).length).replace(/[^A-Za-z0-9]+/g, '');
  return characters.slice(0, MARK_CHARS) || 'unknown';
}

/** By which means a change behind an address is seen, and what would not be. */
export function identityWords(means: IdentityMeans): string {
  switch (means) {
    case 'reported-digest':
      return 'the digest that it reports itself: a change behind the address is seen';
    case 'model-metadata':
      return 'its model metadata: a change is seen only where the metadata change with it';
    case 'response-header':
      return 'a response header: it is as true as who sets it';
    case 'placed-files':
      return 'the version number that it reports, and the files that lastgood placed for that number and hashed before they were loaded: files that somebody else loads over them are not seen';
    case 'probe-fingerprint':
      return 'a fingerprint of its answers to the golden probes: a change that answers them alike is not seen';
    case 'none':
      return 'nothing: a change behind the address cannot be seen; set digestHeader, versionHeader or serving.probes';
  }
}
