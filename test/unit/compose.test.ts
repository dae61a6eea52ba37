import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { loadConfiguration } from '../../workers/configuration/load';
import { passwordOf } from '../../workers/ledger';
import { dynamicConfig } from '../../workers/temporal/dev-server';

interface ComposeService {
  readonly image?: string;
  readonly build?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const root = join(__dirname, '..', '..');
const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
const compose = parse(text) as {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(compose.services);

test.each(services)('%s has an image of one release, or is built here', (_name, { image, build }) => {
  if (build === undefined) expect(image).toMatch(/:v?\d+\.\d+(\.\d+)?$/);
  else expect(existsSync(join(root, build, 'Dockerfile'))).toBe(true);
});

test('every port is published on loopback only', () => {
  const ports = services.flatMap(([, service]) => service.ports ?? []);
  expect(ports.length).toBeGreaterThan(0);
  expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
});

test('what is mounted is here, but for what the site makes, and every volume has a name', () => {
  const mounted = services.flatMap(([, service]) => service.volumes ?? []).map((volume) => volume.split(':')[0] ?? '');
  const files = mounted.filter((path) => path.startsWith('./') && path !== './lastgood.yaml');
  // The rules come with the package of Prometheus rules.
  expect(files.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  for (const name of mounted.filter((path) => /^\w+$/.test(path))) expect(Object.keys(compose.volumes)).toContain(name);
});

test('no password stands in any file of it', () => {
  const values = services.flatMap(([, { environment = {} }]) => Object.entries(environment));
  expect(values.filter(([key]) => /PASS|PWD|SECRET/.test(key))).toEqual([
    ['POSTGRES_PASSWORD_FILE', '/run/secrets/postgres'],
  ]);
});

test('Temporal gets the settings that the dev server gets', () => {
  const settings = parse(readFileSync(join(root, 'deploy/compose/temporal-dynamic.yaml'), 'utf8')) as Record<
    string,
    { value: unknown }[]
  >;
  const asFlags = Object.entries(settings).map(([name, [first]]) => `${name}=${String(first?.value)}`);
  expect(asFlags).toEqual(dynamicConfig);
});

test('its configuration can be read, and Prometheus looks where lastgood listens', () => {
  const directory = mkdtempSync(join(tmpdir(), 'lastgood-compose-'));
  const file = join(directory, 'lastgood.yaml');
  const written = readFileSync(join(root, 'deploy/compose/lastgood.yaml'), 'utf8');
  writeFileSync(file, written.replace('/var/lib/lastgood', join(directory, 'data')));
  const { api, gateway, ledger } = loadConfiguration(file);
  rmSync(directory, { recursive: true });
  expect(ledger.postgres).toMatchObject({ host: '127.0.0.1', port: 5433 });
  expect(text).toContain(`127.0.0.1:${ledger.postgres?.port}:5432`);
  const { scrape_configs: jobs } = parse(readFileSync(join(root, 'deploy/compose/prometheus.yml'), 'utf8')) as {
    scrape_configs: { static_configs: { targets: string[] }[] }[];
  };
  const targets = jobs.flatMap((job) => job.static_configs.flatMap((each) => each.targets));
  const [, second] = /--listen,(\S+)$/.exec(compose.services['controller-2']?.command?.join(',') ?? '') ?? [];
  const [first, entrances] = [api.listen, gateway.metrics].map(({ host, port }) => `${host}:${port}`);
  expect(targets).toEqual([first, second, entrances]);
});

test('a configuration that was forgotten, in whose place Docker makes a directory, and an empty password are told by their names', () => {
  const directory = mkdtempSync(join(tmpdir(), 'lastgood-compose-'));
  expect(() => loadConfiguration(directory)).toThrow(`${directory}: found a directory, expected a file`);
  const password = join(directory, 'password');
  writeFileSync(password, '\n');
  const environment = { cacheDir: '', path: '', inherited: {} };
  const read = (): unknown =>
    passwordOf({ password: { file: password } }, environment, 'lastgood.yaml: ledger.postgres');
  expect(read).toThrow(`ledger.postgres.passwordFile: found nothing in ${password}, expected the password`);
  rmSync(directory, { recursive: true });
});

const installed = spawnSync('docker-compose', ['version', '--short']).status === 0;
if (!installed)
  process.stdout.write(
    'skipped: Docker Compose reads the file (no docker-compose on PATH; scripts/test-deps/compose.sh installs it)\n',
  );

(installed ? test : test.skip)(
  'Docker Compose reads it',
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'lastgood-compose-'));
    for (const path of ['docker-compose.yml', 'Dockerfile']) copyFileSync(join(root, path), join(directory, path));
    cpSync(join(root, 'deploy'), join(directory, 'deploy'), { recursive: true });
    const read = (env: Readonly<Record<string, string>>): SpawnSyncReturns<string> =>
      spawnSync('docker-compose', ['config'], {
        cwd: directory,
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], ...env },
      });
    const without = read({});
    expect(without.status).not.toBe(0);
    expect(without.stderr).toContain(
      'write the password file as docker-compose.yml says at its top, and name it in .env',
    );
    const { stdout, stderr } = read({ LASTGOOD_POSTGRES_PASSWORD_FILE: './deploy/compose/postgres.password' });
    expect(stderr).toBe('');
    expect(Object.keys((parse(stdout) as typeof compose).services).sort()).toEqual(
      Object.keys(compose.services).sort(),
    );
    rmSync(directory, { recursive: true });
  },
  120_000,
);
