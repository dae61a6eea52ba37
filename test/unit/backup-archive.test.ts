import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ArchiveWriter, readArchive } from '../../workers/backup/archive';
import { isNewer, manifestText, type BackupManifest } from '../../workers/backup/manifest';
import { padding, tarEnd, tarHeader } from '../../workers/backup/tar';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

afterAll(removeTemporary);

const about: Omit<BackupManifest, 'files'> = {
  form: 1,
  release: '0.1.0',
  schemas: { ledger: 2, gateway: 2, dataDirectory: 1 },
  madeAt: 1_700_000_000_000,
  host: 'here',
  while: 'running',
  configuration: { file: 'lastgood.yaml', redacted: false },
  artifacts: 'digests',
  services: [],
  notIncluded: [],
};
const longName = `artifacts/${'a-long-folder/'.repeat(12)}weights.bin`;

async function made(directory: string): Promise<string> {
  const file = join(directory, 'backup.tar.gz');
  const writer = await ArchiveWriter.create(file);
  await writer.add('ledger/mail.jsonl', '{"seq":1}\n');
  writeFileSync(join(directory, 'weights'), Buffer.alloc(700_001, 7), { mode: 0o444 });
  await writer.addFile(longName, join(directory, 'weights'));
  await writer.finish(about);
  return file;
}

/** The same archive with some bytes of it replaced, packed again, as somebody would who edits it. */
function rewritten(file: string, change: (tar: Buffer) => Buffer): string {
  const other = `${file}.other`;
  writeFileSync(other, gzipSync(change(gunzipSync(readFileSync(file)))));
  return other;
}

test('what was written is read back whole, by lastgood and by any tar, and nothing else lies beside it', async () => {
  const directory = temporaryDirectory('backup');
  const file = await made(directory);
  const read: Record<string, number> = {};
  const manifest = await readArchive(file, '0.1.0', async ({ path, mode }, content) => {
    let bytes = 0;
    for await (const piece of content) bytes += piece.length;
    read[path] = bytes;
    if (path === longName) expect(mode).toBe(0o444);
  });
  expect(read).toEqual({ 'ledger/mail.jsonl': 10, [longName]: 700_001 });
  expect(manifest.files.map(({ path }) => path)).toEqual(['ledger/mail.jsonl', longName]);
  const listed = execFileSync('tar', ['tzf', file]).toString().trim().split('\n');
  expect(listed).toEqual(['ledger/mail.jsonl', longName, 'manifest.json']);
  expect(readdirSync(directory).sort()).toEqual(['backup.tar.gz', 'weights']);
});

test('a file that was changed, a manifest that was, one that was added, and an archive that is cut are each named', async () => {
  const directory = temporaryDirectory('backup');
  const file = await made(directory);
  const changed = rewritten(file, (tar) =>
    Buffer.from(tar.toString('latin1').replace('{"seq":1}', '{"seq":2}'), 'latin1'),
  );
  await expect(readArchive(changed, '0.1.0')).rejects.toThrow(
    /ledger\/mail\.jsonl was changed after the backup was made/,
  );
  const forged = rewritten(file, (tar) =>
    Buffer.from(tar.toString('latin1').replace('"host": "here"', '"host": "hers"'), 'latin1'),
  );
  await expect(readArchive(forged, '0.1.0')).rejects.toThrow(/manifest\.json was changed after it was made/);
  const added = rewritten(file, (tar) =>
    Buffer.concat([tarHeader({ path: 'extra', bytes: 3, mode: 0o600 }), Buffer.from('abc'), padding(3), tar]),
  );
  await expect(readArchive(added, '0.1.0')).rejects.toThrow(/extra was put into it/);
  const cut = join(directory, 'cut.tar.gz');
  writeFileSync(cut, readFileSync(file).subarray(0, 400));
  await expect(readArchive(cut, '0.1.0')).rejects.toThrow(/cut\.tar\.gz: it is cut short, damaged, or no backup/);
  writeFileSync(cut, 'notes of somebody');
  await expect(readArchive(cut, '0.1.0')).rejects.toThrow(/no backup/);
  await expect(readArchive(join(directory, 'none'), '0.1.0')).rejects.toThrow(/no such file/);
});

test('one of a newer release, of an unreadable release and of an unknown form is refused, with what to use', async () => {
  const directory = temporaryDirectory('backup');
  const one = (text: string): string => {
    const file = join(directory, 'one.tar.gz');
    const bytes = Buffer.from(text);
    const header = tarHeader({ path: 'manifest.json', bytes: bytes.length, mode: 0o600 });
    writeFileSync(file, gzipSync(Buffer.concat([header, bytes, padding(bytes.length), tarEnd()])));
    return file;
  };
  const newer = one(manifestText({ ...about, release: '0.2.0', files: [] }));
  await expect(readArchive(newer, '0.1.0')).rejects.toThrow(
    /was made by lastgood 0\.2\.0, this is lastgood 0\.1\.0: use lastgood 0\.2\.0 or newer/,
  );
  const odd = one(manifestText({ ...about, release: 'nightly', files: [] }));
  await expect(readArchive(odd, '0.1.0')).rejects.toThrow(/use lastgood nightly or newer/);
  const form = one(manifestText({ ...about, form: 7, files: [] }));
  await expect(readArchive(form, '0.1.0')).rejects.toThrow(/in the form 7, which this lastgood/);
  expect(isNewer('0.10.0', '0.9.9')).toBe(true);
  expect(isNewer('0.1.0', '0.1.1')).toBe(false);
  expect(isNewer('0.1.0', '0.1.0')).toBe(false);
});

test('a backup that could not be finished leaves nothing', async () => {
  const directory = join(temporaryDirectory('backup'), 'out');
  mkdirSync(directory);
  const writer = await ArchiveWriter.create(join(directory, 'backup.tar.gz'));
  await writer.add('a', 'b');
  await writer.discard();
  expect(readdirSync(directory)).toEqual([]);
});
