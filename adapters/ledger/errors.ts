/** The same key was appended before with other content: two deciders, or a decider that is not deterministic. */
export class LedgerConflict extends Error {
  override readonly name = 'LedgerConflict';
  constructor(
    readonly service: string,
    readonly key: string,
    readonly seq: number,
  ) {
    super(`the ledger of ${service} already holds other content under the key ${key} (entry ${seq})`);
  }
}

/** Facts above 12 KiB or a whole entry above 16 KiB; large evidence belongs in a file named by digest. */
export class LedgerEntryTooLarge extends Error {
  override readonly name = 'LedgerEntryTooLarge';
  constructor(key: string, what: 'facts' | 'entry', bytes: number, limitBytes: number) {
    super(`the ${what} of ledger entry ${key} take ${bytes} bytes, the limit is ${limitBytes}`);
  }
}

/** The entry is not one that a chain can hold; the message names the path, what was found and what was expected. */
export class LedgerEntryInvalid extends Error {
  override readonly name = 'LedgerEntryInvalid';
}

/** Another process holds the file. */
export class LedgerInUse extends Error {
  override readonly name = 'LedgerInUse';
  constructor(
    readonly file: string,
    readonly pid: number | null,
  ) {
    const holder = pid === null ? 'another process' : pid === process.pid ? `this process (pid ${pid})` : `pid ${pid}`;
    super(`the ledger ${file} is already open in ${holder}: only one process may open it, stop that one first`);
  }
}

/** The file was written by a newer lastgood; reading it with older rules could misread decisions. */
export class LedgerSchemaUnknown extends Error {
  override readonly name = 'LedgerSchemaUnknown';
  constructor(
    where: string,
    found: number,
    newest: number,
    by: { readonly wrote: string | null; readonly is: string },
  ) {
    const writer = by.wrote === null ? 'a newer lastgood' : `lastgood ${by.wrote}`;
    super(
      `the ledger ${where} has schema version ${found}, written by ${writer}; this is lastgood ${by.is}, which knows up to ${newest}: ` +
        `use ${by.wrote === null ? 'a newer lastgood' : `lastgood ${by.wrote} or newer`}, or restore a backup that this release made. Nothing was changed`,
    );
  }
}

/** Entries are put back into a chain that has some already. */
export class LedgerNotEmpty extends Error {
  override readonly name = 'LedgerNotEmpty';
}

/** The database could not do it (full disk, I/O error, busy, closed); the same append may be repeated. */
export class LedgerUnavailable extends Error {
  override readonly name = 'LedgerUnavailable';
}

/** A stored entry cannot be read back at all; `verify` locates every break of the chain. */
export class LedgerCorrupt extends Error {
  override readonly name = 'LedgerCorrupt';
  constructor(
    readonly service: string,
    readonly seq: number,
    why: string,
  ) {
    super(`entry ${seq} in the ledger of ${service} cannot be read (${why}): run the ledger's verification`);
  }
}
