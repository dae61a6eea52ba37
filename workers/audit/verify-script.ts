/**
 * `verify.mjs` of a bundle: Node alone, no package and no line of lastgood's. Recomputes the digests of the files, the chain
 * and the signature, and prints one line for each. `audit verify --bundle` runs the same text, so there is one judge.
 */
export const verifyScript = `// Usage: node verify.mjs [DIRECTORY] [PUBLIC-KEY.pem]. Ends with 0 where everything holds, 2 where something does not.
// The key in the bundle only shows that nothing was changed since it was signed: who signed it, only a key that you had before tells.
import { createHash, createPublicKey, verify } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const directory = process.argv[2] ?? dirname(fileURLToPath(import.meta.url));
const ownKey = process.argv[3] ?? null;
let broken = false;
const say = (ok, what) => {
  broken ||= !ok;
  console.log((ok ? 'ok      ' : 'BROKEN  ') + what);
};
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const lines = (name) => readFileSync(join(directory, name), 'utf8').split('\\n').filter((line) => line !== '');

function checkSignature(text) {
  const key = createPublicKey(readFileSync(ownKey ?? join(directory, 'public-key.pem')));
  const holds = verify(null, text, key, Buffer.from(readFileSync(join(directory, 'manifest.sig'), 'utf8').trim(), 'base64'));
  const id = sha256(key.export({ type: 'spki', format: 'der' })).slice(0, 16);
  say(holds, 'signature of manifest.json by key ' + id + (ownKey ? ', which you named' : ', which is in the bundle'));
}

function checkFiles(manifest) {
  const beside = new Set(['manifest.json', 'manifest.sig', 'public-key.pem', 'verify.mjs']);
  for (const name of readdirSync(directory))
    if (!beside.has(name) && !manifest.files.some((file) => file.name === name)) say(false, name + ': no file of the bundle');
  for (const { name, sha256: digest } of manifest.files) {
    const there = /^[a-z0-9.-]+$/.test(name) && existsSync(join(directory, name));
    say(there && sha256(readFileSync(join(directory, name))) === digest, name + ': SHA-256');
  }
}

// Pictures, lists, manifests and reports: each is what its name says, and is named by an entry, a list or a manifest of the bundle.
function checkAttached(manifest) {
  const said = lines('entries.jsonl').map((line) => JSON.parse(line).entry).join('\\n');
  const all = manifest.attached ?? [];
  const text = (one) => readFileSync(join(directory, one.file), 'utf8');
  const within = (kind, digest) => all.some((one) => one.kind === kind && one.digest !== digest && text(one).includes(digest));
  for (const one of all) {
    const hex = String(one.digest).replace(/^sha256:/, '');
    const genuine = one.file.startsWith(one.kind + '-' + hex + '.') && sha256(readFileSync(join(directory, one.file))) === hex;
    const named = one.kind === 'evaluation' ? all.some((other) => other.kind === 'manifest' && text(other).includes(hex))
      : said.includes(one.digest) || (one.kind === 'list' && within('list', one.digest));
    // A span may name a version without its digest: then the manifest must at least be of that name.
    const byName = one.kind === 'manifest' && !named && genuine && JSON.parse(text(one)).version === one.of && said.includes(JSON.stringify(one.of));
    const how = named ? '' : byName ? ' (the entries name it without its digest)' : ': nothing in the bundle names it';
    say(genuine && (named || byName), one.kind + ' of ' + one.of + ' ' + one.digest + how);
  }
  for (const what of manifest.absent ?? []) console.log('absent  ' + what);
}

function checkChain(manifest) {
  let before = null;
  let broke = null;
  const byFrom = new Map();
  for (const line of lines('entries.jsonl')) {
    const { seq, previousHash, hash, entry } = JSON.parse(line);
    const linked = before === null ? seq === manifest.first.seq && previousHash === manifest.first.previousHash
      : seq === before.seq + 1 && previousHash === before.hash;
    const genuine = createHash('sha256').update(previousHash).update(entry, 'utf8').digest('hex') === hash;
    if (broke === null && !(linked && genuine)) broke = seq;
    before = { seq, hash };
    byFrom.set(seq, hash);
  }
  say(broke === null, 'chain of ' + byFrom.size + ' entries' + (broke === null ? '' : ': broken at entry ' + broke));
  say(before?.hash === manifest.last.hash && before?.seq === manifest.last.seq, 'the chain ends at entry ' + manifest.last.seq);
  const anchors = lines('anchors.jsonl').map((line) => JSON.parse(line)).filter(({ seq }) => byFrom.has(seq));
  const wrong = anchors.find(({ seq, hash }) => byFrom.get(seq) !== hash);
  say(wrong === undefined, anchors.length + ' anchors agree' + (wrong ? ', but that of entry ' + wrong.seq : ''));
}

try {
  const text = readFileSync(join(directory, 'manifest.json'));
  checkSignature(text);
  const manifest = JSON.parse(text.toString('utf8'));
  checkFiles(manifest);
  checkChain(manifest);
  checkAttached(manifest);
} catch (error) {
  say(false, 'the bundle cannot be read: ' + error.message);
}
process.exit(broken ? 2 : 0);
`;
