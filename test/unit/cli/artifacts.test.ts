import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { artifactFiles, writeArtifact } from '../../support/artifact-directory';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { rolledBack, service } from './rollback-story';

let rig: ApiRig;
beforeEach(async () => {
  rig = await new ApiRig(await rolledBack()).listen();
});
afterEach(() => rig.close());
afterAll(removeTemporary);

function offer(version: string): string {
  return writeArtifact(temporaryDirectory('offer'), { service, version });
}

/** The files of a version, and no manifest yet. */
function files(): string {
  const directory = offer('0.1');
  rmSync(join(directory, 'manifest.json'));
  return directory;
}

async function imported(...versions: string[]): Promise<void> {
  for (const version of versions) expect((await rig.run('artifacts', 'import', offer(version))).code).toBe(0);
}

const listed = async (): Promise<string> => (await rig.run('artifacts', 'list', service)).out;

test('import --dry-run checks every byte, says what would be imported, and copies nothing', async () => {
  const directory = offer('1.0');
  const planned = await rig.run('artifacts', 'import', directory, '--dry-run');
  expect(planned).toMatchObject({ code: 0, err: '' });
  expect(planned.out).toMatch(/^1\.0 would be imported: sha256:[0-9a-f]{64}\n.*1 golden probe[^]*nothing was copied/);
  expect(await listed()).toContain('the artifact store has no version');
  writeFileSync(join(directory, 'tokenizer.json'), `{"lowercase":false,"seed":"1.0"}`);
  const broken = await rig.run('artifacts', 'import', directory, '--dry-run');
  expect(broken.code).toBe(1);
  expect(broken.err).toContain('tokenizer.json: ');
});

test('import --dry-run knows what is there already, and refuses a name that has other content', async () => {
  const first = offer('1.0');
  await rig.run('artifacts', 'import', first);
  expect((await rig.run('artifacts', 'import', first, '--dry-run')).out).toContain('is there already');
  const other = writeArtifact(temporaryDirectory('other'), { service, version: '1.0', files: artifactFiles('other') });
  const refused = await rig.run('artifacts', 'import', other, '--dry-run');
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('a version name never changes its content');
});

test('prune says beforehand what would go; without a reason it removes nothing', async () => {
  await imported('1.0', '1.1', '1.2', '1.3', '1.4');
  const planned = await rig.run('artifacts', 'prune', '--dry-run');
  expect(planned.code).toBe(0);
  expect(planned.out).toContain('kept, choosable');
  const { code, err } = await rig.run('artifacts', 'prune', service);
  expect(code).toBe(64);
  expect(err).toContain(`to do: lastgood artifacts prune ${service} --reason 'why you do it'`);
  expect(await listed()).toContain(`${service}@1.0`);
});

test('what prune removes stands in the ledger with name and reason, before it goes', async () => {
  const { state } = rig.played;
  const facts = state.versions.find(({ version }) => version === '1.2');
  if (!facts) throw new Error('1.2 is live');
  rig.played.state = { ...state, versions: [...state.versions, { ...facts, version: '1.4' }] };
  await imported('1.0', '1.1', '1.2', '1.3', '1.4');
  const before = rig.played.ledger.entries(service).length;
  const done = await rig.run('artifacts', 'prune', service, '--reason', 'the disk is full');
  expect(done).toMatchObject({ code: 0, err: '' });
  expect(done.out).toContain(`${service}@1.0: removed`);
  expect(await listed()).not.toContain(`${service}@1.0`);
  expect(await listed()).toContain(`${service}@1.1`);
  expect(rig.played.ledger.entries(service).slice(before)).toMatchObject([
    {
      kind: 'operator-act',
      actor: { name: 'alice', proof: 'unix-user' },
      summary: 'removes 1.0 from the artifact store, by alice: the disk is full',
      facts: { act: 'prune', keep: 3, versions: [{ version: '1.0' }] },
    },
  ]);
  expect((await rig.run('artifacts', 'prune', service, '--reason', 'once more')).out).toContain('nothing to remove');
  expect(rig.played.ledger.entries(service)).toHaveLength(before + 1);
});

test('where the ledger cannot take the decision, prune removes nothing', async () => {
  const { state } = rig.played;
  rig.played.state = {
    ...state,
    versions: state.versions.map((facts) => ({ ...facts, standing: 'candidate' as const })),
  };
  await imported('1.0', '1.1', '1.2', '1.3');
  rig.played.ledger.append = () => Promise.reject(new Error('the disk is full'));
  rig.expectsFaults = true;
  expect((await rig.run('artifacts', 'prune', service, '--reason', 'tidy')).code).toBe(69);
  expect(await listed()).toContain(`${service}@1.0`);
});

test.each(['1', '2'])('prune --keep %s is refused: three ways back stay', async (keep) => {
  await imported('1.0');
  const { code, err } = await rig.run('artifacts', 'prune', service, '--keep', keep, '--dry-run');
  expect(code).toBe(64);
  expect(err).toContain(
    `--keep: found ${keep}; at least the last 3 validated versions that could still be chosen stay`,
  );
});

const named = ['--service', service, '--version', '2.0', '--model', 'triage'];

test('manifest guesses the roles, and what it wrote can be imported', async () => {
  const directory = files();
  const planned = await rig.run('artifacts', 'manifest', directory, ...named, '--dry-run');
  expect(planned).toMatchObject({ code: 0, err: '' });
  expect(existsSync(join(directory, 'manifest.json'))).toBe(false);
  const wrote = await rig.run('artifacts', 'manifest', directory, ...named, '--json');
  expect(wrote.code).toBe(0);
  const { digest, manifest } = JSON.parse(wrote.out) as {
    digest: string;
    manifest: { files: { path: string; role: string }[] };
  };
  expect(Object.fromEntries(manifest.files.map(({ path, role }) => [path, role]))).toEqual({
    'adapter/delta.safetensors': 'adapter',
    'evaluation.json': 'evaluation',
    'probes.json': 'probes',
    'profile.json': 'profile',
    'tokenizer.json': 'tokenizer',
    'weights.safetensors': 'weights',
  });
  const taken = await rig.run('artifacts', 'import', directory);
  expect(taken).toMatchObject({ code: 0 });
  expect(taken.out).toContain(`2.0 imported: ${digest}`);
  expect(taken.out).toContain('1 golden probe, accuracy 90.0 % on 200');
});

test('import says that the engine of a manifest is not the one of the service', async () => {
  const directory = files();
  await rig.run('artifacts', 'manifest', directory, ...named, '--engine', 'openai');
  const other = await rig.run('artifacts', 'import', directory, '--dry-run');
  expect(other.code).toBe(0);
  expect(other.out).toMatch(
    /warning: its manifest says engine openai, and services\.\S+\.serving\.engine is open-inference/,
  );
  await rig.run('artifacts', 'manifest', directory, ...named, '--force');
  expect((await rig.run('artifacts', 'import', directory, '--dry-run')).out).not.toContain('warning');
});

test('manifest names what only a host that allows it will import', async () => {
  const directory = files();
  writeFileSync(join(directory, 'vectorizer.pkl'), Buffer.from('\x80\x04}\x94.', 'latin1'));
  const { code, out } = await rig.run('artifacts', 'manifest', directory, ...named);
  expect(code).toBe(0);
  expect(out).toMatch(/warning: vectorizer\.pkl: .*pickle.*; an import refuses it where artifacts\.allowFormats/);
});

test('manifest takes the roles that are given, and says what the version cannot do without', async () => {
  const directory = temporaryDirectory('files');
  mkdirSync(join(directory, 'reports'));
  writeFileSync(join(directory, 'model.dat'), 'weights');
  writeFileSync(join(directory, 'reports', 'quality.json'), artifactFiles('1')['evaluation.json']?.content ?? '');
  const roles = ['--role', 'model.dat=weights', '--role', 'reports/quality.json=evaluation'];
  const { code, out } = await rig.run('artifacts', 'manifest', directory, ...named, ...roles, '--engine', 'openai');
  expect(code).toBe(0);
  expect(out).toMatch(/weights +model\.dat/);
  expect(out).toMatch(/evaluation +reports\/quality\.json/);
  expect(out).toContain('no file of role probes');
  expect(out).not.toContain('no file of role evaluation');
  expect(JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'))).toMatchObject({ engine: 'openai' });
});

const wrong: readonly (readonly [string, readonly string[], number, string])[] = [
  ['a role that is none', [...named, '--role', 'probes.json=probe'], 64, 'expected PATH=ROLE with one of weights,'],
  ['a role of a file that is not there', [...named, '--role', 'x=other'], 1, 'x: missing'],
  ['a second evaluation', [...named, '--role', 'profile.json=evaluation'], 1, 'profile.json'],
  ['a service name that is none', [...named, '--service', 'Not A Name'], 1, 'manifest.json#service'],
  ['no model', named.slice(0, 4), 64, '--model is missing'],
];
test.each(wrong)('manifest refuses %s and writes nothing', async (_what, args, expected, message) => {
  const directory = files();
  const { code, err } = await rig.run('artifacts', 'manifest', directory, ...args);
  expect([code, err]).toEqual([expected, expect.stringContaining(message)]);
  expect(existsSync(join(directory, 'manifest.json'))).toBe(false);
});

test('manifest refuses content that an import would refuse, and a manifest that is there without --force', async () => {
  const directory = files();
  writeFileSync(join(directory, 'probes.json'), '{"schema":1,"probes":[{"id":"p1"}]}');
  const broken = await rig.run('artifacts', 'manifest', directory, ...named);
  expect(broken.code).toBe(1);
  expect(broken.err).toContain('probes.json#probes.0');
  const there = offer('2.0');
  const again = await rig.run('artifacts', 'manifest', there, ...named);
  expect(again.code).toBe(1);
  expect(again.err).toContain('--force');
  expect((await rig.run('artifacts', 'manifest', there, ...named, '--force')).code).toBe(0);
});

test('profile says what inputs look like, for the data profile of a version, and refuses what is none', async () => {
  const directory = temporaryDirectory('inputs');
  mkdirSync(directory, { recursive: true });
  const [requests, out] = [join(directory, 'requests.jsonl'), join(directory, 'profile.json')];
  const lines = Array.from({ length: 200 }, (_, at) =>
    JSON.stringify({ age: 20 + (at % 50), from: ['de', 'fr'][at % 2] }),
  );
  writeFileSync(requests, `${lines.join('\n')}\n`);
  const written = await rig.run('artifacts', 'profile', requests, '--out', out);
  expect(written).toMatchObject({ code: 0, err: '' });
  expect(written.out).toContain('200 inputs');
  const content = readFileSync(out, 'utf8');
  expect(JSON.parse(content)).toMatchObject({
    schema: 1,
    inputProfile: { inputs: 200, fields: { age: { present: 200 }, from: { categories: { de: 100, fr: 100 } } } },
  });
  // What it writes is what an import takes.
  const profile = { role: 'profile', content };
  const version = { service, version: '2.0', files: { ...artifactFiles('2.0'), 'profile.json': profile } };
  expect(await rig.run('artifacts', 'import', writeArtifact(temporaryDirectory('offer'), version))).toMatchObject({
    code: 0,
  });

  writeFileSync(requests, `${lines.slice(0, 3).join('\n')}\n{"age": \n`);
  const broken = await rig.run('artifacts', 'profile', requests);
  expect(broken.code).toBe(1);
  expect(broken.err).toContain('requests.jsonl:4: found "{\\"age\\": "');
  writeFileSync(requests, lines.slice(0, 3).join('\n'));
  expect((await rig.run('artifacts', 'profile', requests)).err).toContain('found 3 inputs, expected at least 100');
  expect((await rig.run('artifacts', 'profile', join(directory, 'none'))).code).toBe(1);
});
