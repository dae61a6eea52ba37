import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { EvidenceForm, EvidenceStore } from '../../activities/ports';
import { readTextIfThere, writeFileAtomic } from '../disk/atomic-file';

/** A file of evidence is not what its name says; it was changed after it was kept. */
export class EvidenceChanged extends Error {
  override readonly name = 'EvidenceChanged';
}

/** A name that cannot be one of a file below the directory. */
export class EvidenceRefused extends Error {
  override readonly name = 'EvidenceRefused';
}

const LIMIT_BYTES = 1024 * 1024;

/** Evidence as files `<directory>/<service>/<incident>/<digest>.svg` (`.ndjson` for lists), mode 0600. Kept for ever: they are small. */
export function directoryEvidence(directory: string): EvidenceStore {
  const folderOf = (service: string, incident: string): string => join(directory, named(service), named(incident));
  const fileOf = (service: string, incident: string, digest: string, form: EvidenceForm = 'svg'): string => {
    const [, hex] = /^sha256:([0-9a-f]{64})$/.exec(digest) ?? [];
    if (hex === undefined) throw new EvidenceRefused(`found the digest ${JSON.stringify(digest)}, expected sha256:…`);
    return join(folderOf(service, incident), `${hex}.${form}`);
  };
  return {
    async keep(service, incident, digest, content, form) {
      const file = fileOf(service, incident, digest, form);
      if (digestOf(content) !== digest) throw new EvidenceRefused(`${file}: the content has another digest`);
      await mkdir(folderOf(service, incident), { recursive: true, mode: 0o700 });
      await writeFileAtomic(file, content);
    },
    async read(service, incident, digest, form) {
      const file = fileOf(service, incident, digest, form);
      const content = await readTextIfThere(file, LIMIT_BYTES);
      if (content !== null && digestOf(content) !== digest)
        throw new EvidenceChanged(`${file}: found another content than the ledger says (${digest})`);
      return content;
    },
  };
}

function digestOf(content: string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function named(part: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(part)) return part;
  throw new EvidenceRefused(`found the name ${JSON.stringify(part)}, expected letters, digits, . _ -`);
}
