import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfiguration } from '../../workers/configuration/load';
import { packageDirectory } from '../../workers/program';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const folder = join(packageDirectory(), 'deploy', 'systemd');
const units = readdirSync(folder).filter((name) => name.endsWith('.service'));
afterAll(removeTemporary);

/** `key=value` lines by section; a line that is neither is a fault. */
function sections(name: string): Record<string, [string, string][]> {
  const found: Record<string, [string, string][]> = {};
  let open: [string, string][] = [];
  for (const line of readFileSync(join(folder, name), 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const section = /^\[(\w+)\]$/.exec(line)?.[1];
    const pair = /^([A-Z]\w+)=(.*)$/.exec(line);
    if (section !== undefined) found[section] = open = [];
    else if (pair !== null) open.push([pair[1] ?? '', pair[2] ?? '']);
    else throw new Error(`${name}: found "${line}"`);
  }
  return found;
}

test.each(units)('%s runs as its own user, in its own directory, and is started again', (name) => {
  const { Unit, Service, Install } = sections(name);
  const settings = Object.fromEntries(Service ?? []);
  expect(settings).toMatchObject({
    User: 'lastgood',
    StateDirectory: 'lastgood',
    StateDirectoryMode: '0700',
    Restart: 'always',
  });
  expect(settings['ExecStart']).toMatch(/--config \/etc\/lastgood\/lastgood\.yaml/);
  expect(Object.keys(Object.fromEntries(Unit ?? []))).toContain('Description');
  expect(Install).toEqual([['WantedBy', 'multi-user.target']]);
});

test('a stop of lastgood leaves the copies that serve', () => {
  expect(sections('lastgood.service')['Service']).toContainEqual(['KillMode', 'process']);
  expect(Object.fromEntries(sections('lastgood.service')['Service'] ?? [])['ExecStart']).toContain(' --keep-serving');
});

test('the configuration beside them runs as it is, in the directory of the units, and so do the lines that it has as comments', () => {
  const written = readFileSync(join(folder, 'lastgood.yaml'), 'utf8');
  const data = join(temporaryDirectory('systemd-data'), 'data');
  const read = (text: string): ReturnType<typeof loadConfiguration> => {
    const file = join(temporaryDirectory('systemd-configuration'), 'lastgood.yaml');
    writeFileSync(file, text.replace('/var/lib/lastgood', data));
    return loadConfiguration(file);
  };
  expect(written).toContain('\ndataDir: /var/lib/lastgood\n');
  const plain = read(written);
  expect(plain.dataDir).toBe(data);
  expect(plain.temporal.address).toBeNull();
  expect(plain.ledger.postgres).toBeNull();
  const production = read(written.replace(/^# (temporal:|ledger:| {2}postgres:)/gm, '$1'));
  expect(production.temporal.address).toBe('127.0.0.1:7233');
  expect(production.ledger.postgres).toMatchObject({
    host: '127.0.0.1',
    password: { file: '/etc/lastgood/postgres.password' },
  });
});

const verifier = spawnSync('systemd-analyze', ['--version']).status === 0;
if (!verifier) process.stdout.write('skipped: systemd verifies the units (no systemd-analyze on PATH)\n');
(verifier ? test : test.skip)('systemd itself finds nothing wrong in the units, and something in a wrong one', () => {
  const root = temporaryDirectory('systemd');
  // What the units start is there, as after an installation.
  for (const path of ['opt/lastgood/bin/lastgood', 'usr/bin/env']) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), '#!/bin/sh\n');
    chmodSync(join(root, path), 0o755);
  }
  const at = join(root, 'units');
  mkdirSync(at);
  const moved = (text: string): string => text.replace('ExecStart=/opt', `ExecStart=${root}/opt`);
  for (const name of units) writeFileSync(join(at, name), moved(readFileSync(join(folder, name), 'utf8')));
  const verify = (name: string): string => {
    const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', join(at, name)], {
      encoding: 'utf8',
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${at}:` },
    });
    return `${stdout}${stderr}`
      .split('\n')
      .filter((line) => line.includes(name))
      .join('\n');
  };
  for (const name of units) expect(verify(name)).toBe('');
  writeFileSync(join(at, 'wrong.service'), '[Service]\nExecStart=/bin/true\nRestartt=always\n');
  expect(verify('wrong.service')).toContain('Restartt');
});
