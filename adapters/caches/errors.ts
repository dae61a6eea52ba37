/** No connection, no answer in time, or one that may be another in a moment: whether the call had its effect is not known. */
export class CacheUnreachable extends Error {
  override readonly name = 'CacheUnreachable';
}

/** It answered, and will answer so again: wrong password, missing right, a key that is not ours. */
export class CacheRefused extends Error {
  override readonly name = 'CacheRefused';
}
