import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSqliteLedger } from '../../adapters/ledger/sqlite-ledger';
import type { ChainedEntry } from '../../domain/ledger';
import { BundleRefused, readSigningKey, writeBundle } from '../../workers/audit/bundle';
import { serviceWithStandby, SERVICE } from '../support/service-simulator';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

afterAll(removeTemporary);

const root = temporaryDirectory('audit');
const keyFile = join(root, 'key.pem');
const publicFile = join(root, 'public.pem');
let entries: ChainedEntry[] = [];

beforeAll(async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(publicFile, publicKey.export({ type: 'spki', format: 'pem' }));
  const simulator = serviceWithStandby();
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  simulator.verdict('v1', { tier: 'immediate', hard: true });
  simulator.runOperation();
  const book = await openSqliteLedger({
    file: join(root, 'l.db'),
    anchorFile: join(root, 'a'),
    onAnchorFailed: () => {},
  });
  for (const entry of simulator.ledger) await book.append(entry);
  entries = await book.read(SERVICE, {});
  await book.close();
});

async function bundle(name: string): Promise<string> {
  const some = entries.slice(3);
  const [tenth] = some;
  const anchors = tenth ? [{ seq: tenth.seq, hash: tenth.hash, at: tenth.at }] : [];
  const source = { service: SERVICE, entries: some, anchors, fromMs: 0, toMs: 1, at: 2 };
  const directory = join(root, name);
  await writeBundle(directory, source, await readSigningKey(keyFile));
  return directory;
}

/** What somebody runs who has nothing but the bundle and Node. */
function verified(directory: string, ...more: string[]): [number | null, string] {
  const { status, stdout } = spawnSync(process.execPath, [join(directory, 'verify.mjs'), directory, ...more], {
    cwd: '/',
  });
  return [status, stdout.toString()];
}

test('a bundle from the middle of a chain proves itself with Node alone, and against a key that its reader had before', async () => {
  const directory = await bundle('whole');
  const [code, said] = verified(directory, publicFile);
  expect(said).not.toContain('BROKEN');
  expect(said).toContain(`chain of ${entries.length - 3} entries`);
  expect(said).toContain('1 anchors agree');
  expect(code).toBe(0);
  expect(verified(directory)[0]).toBe(0);
});

test.each<[string, string, (text: string) => string, string]>([
  ['an entry that was changed', 'entries.jsonl', (text) => text.replace('1.2', '1.9'), 'chain'],
  [
    'an entry that is gone',
    'entries.jsonl',
    (text) => text.split('\n').slice(0, 2).concat(text.split('\n').slice(3)).join('\n'),
    'chain',
  ],
  [
    'a tail that was cut',
    'entries.jsonl',
    (text) => `${text.trim().split('\n').slice(0, -1).join('\n')}\n`,
    'the chain ends at',
  ],
  ['an anchor of another chain', 'anchors.jsonl', (text) => text.replace(/"hash":"./, '"hash":"x'), 'anchors agree'],
  ['a manifest that was changed', 'manifest.json', (text) => text.replace('mail', 'nail'), 'signature'],
])('%s is found', async (what, file, change, word) => {
  const directory = await bundle(what.replaceAll(' ', '-'));
  const before = readFileSync(join(directory, file), 'utf8');
  expect(change(before)).not.toBe(before);
  writeFileSync(join(directory, file), change(before));
  const [code, said] = verified(directory, publicFile);
  expect(code).toBe(2);
  expect(said.split('\n').some((line) => line.startsWith('BROKEN') && line.includes(word))).toBe(true);
});

test('a bundle that somebody else signed anew, and a file that was put beside, are found', async () => {
  const directory = await bundle('other');
  const other = generateKeyPairSync('ed25519');
  writeFileSync(join(root, 'other.pem'), other.publicKey.export({ type: 'spki', format: 'pem' }));
  expect(verified(directory, join(root, 'other.pem'))[0]).toBe(2);
  writeFileSync(join(directory, 'more.jsonl'), '{}');
  expect(verified(directory, publicFile)[1]).toContain('BROKEN  more.jsonl');
});

test('what was exported once is not overwritten, and a key that cannot sign so is refused', async () => {
  await bundle('once');
  await expect(bundle('once')).rejects.toThrow('EEXIST');
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(join(root, 'rsa.pem'), rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await expect(readSigningKey(join(root, 'rsa.pem'))).rejects.toThrow('expected ed25519');
  await expect(readSigningKey(publicFile)).rejects.toThrow(BundleRefused);
});
