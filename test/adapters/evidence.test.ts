import { createHash } from 'node:crypto';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { directoryEvidence, EvidenceChanged, EvidenceRefused } from '../../adapters/evidence/directory-evidence';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

afterAll(removeTemporary);

const svg = '<svg/>';
const hex = createHash('sha256').update(svg).digest('hex');
const digest = `sha256:${hex}`;

it('keeps a file under its digest for its owner alone, once however often it is kept', async () => {
  const directory = temporaryDirectory('evidence');
  const evidence = directoryEvidence(directory);
  await evidence.keep('mail', '2026-05-01-1', digest, svg);
  await evidence.keep('mail', '2026-05-01-1', digest, svg);
  const folder = join(directory, 'mail', '2026-05-01-1');
  expect(readdirSync(folder)).toEqual([`${hex}.svg`]);
  expect(statSync(join(folder, `${hex}.svg`)).mode & 0o777).toBe(0o600);
  expect(await evidence.read('mail', '2026-05-01-1', digest)).toBe(svg);
  expect(await evidence.read('mail', '2026-05-01-2', digest)).toBeNull();
});

it('does not give what was changed after it was kept', async () => {
  const directory = temporaryDirectory('evidence');
  const evidence = directoryEvidence(directory);
  await evidence.keep('mail', 'i', digest, svg);
  writeFileSync(join(directory, 'mail', 'i', `${hex}.svg`), '<svg>other</svg>');
  await expect(evidence.read('mail', 'i', digest)).rejects.toBeInstanceOf(EvidenceChanged);
});

it.each([
  ['..', 'i', digest],
  ['mail', '../../etc', digest],
  ['mail', 'i', 'sha256:../../x'],
])('refuses names that lead elsewhere: %s %s %s', async (service, incident, name) => {
  const evidence = directoryEvidence(temporaryDirectory('evidence'));
  await expect(evidence.read(service, incident, name)).rejects.toBeInstanceOf(EvidenceRefused);
});

it('refuses content that is not what the digest says', async () => {
  const evidence = directoryEvidence(temporaryDirectory('evidence'));
  await expect(evidence.keep('mail', 'i', digest, 'other')).rejects.toBeInstanceOf(EvidenceRefused);
});
