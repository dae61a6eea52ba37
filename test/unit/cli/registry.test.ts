import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FakeMlflow } from '../../support/fake-mlflow';
import { versionFiles } from '../../support/registries';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { rolledBack, service } from './rollback-story';

let rig: ApiRig;
let fake: FakeMlflow;
beforeEach(async () => {
  fake = await FakeMlflow.start();
  rig = await new ApiRig(await rolledBack()).listen();
  writeFileSync(join(rig.directory, 'token'), 't0ken\n');
  const auth = 'auth: { token: { file: token } }';
  appendFileSync(rig.config, `    registry: { kind: mlflow, url: '${fake.url}', model: mail, ${auth} }\n`);
});
afterEach(async () => {
  await rig.close();
  await fake.close();
});
afterAll(removeTemporary);

test('pull brings the newest version, one by its name, or the one that an alias names, and says what it lacks', async () => {
  fake.add(1, versionFiles('1'), { aliases: ['champion'] });
  const { 'evaluation.json': _evaluation, ...files } = versionFiles('2');
  fake.add(2, files);
  const newest = await rig.run('artifacts', 'pull');
  expect(newest).toMatchObject({ code: 0, err: '' });
  expect(newest.out).toMatch(
    new RegExp(`^${service}@v2 imported: sha256:[^]*no evaluation report[^]*it is not validated`),
  );
  expect((await rig.run('artifacts', 'pull', '@champion')).out).toContain('v1 imported');
  expect((await rig.run('artifacts', 'pull', service, '2')).out).toContain('v2 is there already');
  const unknown = await rig.run('artifacts', 'pull', service, '@challenger');
  expect(unknown.code).toBe(1);
  expect(unknown.err).toContain('there is no alias or stage "challenger"; found @champion');
  expect((await rig.run('artifacts', 'pull', service, 'v1', '--newest', '2')).code).toBe(64);
});

test('sync says what moved and what is gone; the list then says since when, and the version stays', async () => {
  fake.add(1, versionFiles('1'), { aliases: ['champion'] });
  fake.add(2, versionFiles('2'));
  expect((await rig.run('artifacts', 'sync', '--dry-run')).out).toContain('v2: would be fetched');
  const first = await rig.run('artifacts', 'sync');
  expect(first.out).toContain('in the store: 2 validated versions of the registry (v2, v1)');
  expect((await rig.run('artifacts', 'list')).out).toMatch(/@v1 .*@champion/);
  fake.versions.delete(1);
  fake.add(2, versionFiles('2'), { aliases: ['champion'] });
  const again = await rig.run('artifacts', 'sync');
  expect(again.out).toContain('@champion: v1 -> v2');
  expect(again.out).toContain('v1: not at the registry any more; what is in the store stays');
  const listed = (await rig.run('artifacts', 'list')).out;
  expect(listed).toMatch(/@v1 .*deleted at the registry on \d{4}-\d\d-\d\d/);
  expect((await rig.run('artifacts', 'verify', `${service}@v1`)).out).toContain('intact');
  const json = JSON.parse((await rig.run('artifacts', 'sync', '--json')).out) as Record<string, unknown>;
  expect(json).toMatchObject({ service, moves: [], gone: [], validated: ['v2'], interrupted: null });
});

test('a registry that is away is told with its own words, and nothing is changed', async () => {
  fake.add(1, versionFiles('1'));
  await rig.run('artifacts', 'sync');
  await fake.close();
  const away = await rig.run('artifacts', 'sync');
  expect(away.code).toBe(69);
  expect(away.err).toMatch(/MLflow at http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/);
  expect((await rig.run('artifacts', 'list')).out).toContain('@v1');
  fake = await FakeMlflow.start();
});

test('validate asks the registry once, with the secret of its file, and says what it has', async () => {
  fake.add(1, versionFiles('1'), { aliases: ['champion'] });
  let sent: string | undefined;
  fake.fault = (request) => {
    sent = request.headers.authorization;
    return false;
  };
  const asked = await rig.run('validate');
  expect(asked.out).toMatch(/registry.*MLflow at http:\/\/127\.0\.0\.1:\d+, model mail: v1 @champion/);
  expect(sent).toBe('Bearer t0ken');
  writeFileSync(join(rig.directory, 'token'), '\n');
  expect((await rig.run('validate')).out).toMatch(
    /registry.*found nothing in .*token, expected one line with the secret/,
  );
});

test('a service without a registry is told how it gets one', async () => {
  const text = readFileSync(rig.config, 'utf8').replace(/^ {4}registry.*\n/m, '');
  mkdirSync(join(rig.directory, 'store'), { recursive: true });
  writeFileSync(rig.config, text);
  const { code, err } = await rig.run('artifacts', 'sync', service);
  expect(code).toBe(1);
  expect(err).toContain(`has no registry in ${rig.config}: set services.${service}.registry`);
});
