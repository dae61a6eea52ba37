import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError } from '../../workers/configuration/configuration';
import { loadConfiguration } from '../../workers/configuration/load';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'lastgood-addresses-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Empty where the configuration is accepted. */
function problem(serving: string, top = '', more = ''): string {
  const file = join(dir, 'lastgood.yaml');
  writeFileSync(
    file,
    `${top}\nservices:\n  mail:\n    listen: 127.0.0.1:8080\n    model: mail\n    serving: { ${serving} }\n${more}`,
  );
  try {
    loadConfiguration(file);
    return '';
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
}

const process = "runtime: process, command: [node, '{artifact}', '{report}']";
const external = (...urls: readonly string[]): string =>
  `runtime: external, versions: { ${urls.map((url, index) => `'${index + 1}': '${url}'`).join(', ')} }`;

describe('behind several routers', () => {
  const beyond = 'router: { others: [{ name: two, control: https://two.example:7782, tokenFile: t }] }';
  const here = 'router: { others: [{ name: two, control: http://127.0.0.1:7782, tokenFile: t }] }';

  it.each([
    ['a process', process, 'serving.runtime'],
    [
      'a container published on loopback',
      'runtime: docker, image: a@sha256:' + 'a'.repeat(64) + ', port: 80',
      'docker',
    ],
    [
      'a Triton on loopback',
      "runtime: triton, address: 'http://localhost:8000', repository: models",
      'serving.address',
    ],
    ['one version of two on loopback', external('http://10.0.0.1:1', 'http://[::1]:1'), 'serving.versions.2'],
  ])('%s is refused: another host would send its users to itself', (_, serving, key) => {
    const found = problem(serving, beyond);
    expect(found).toContain(key);
    expect(found).toContain('the gateway of another host would send its users to itself');
    expect(problem(serving, here)).toBe('');
  });

  it('addresses that every host reaches are accepted, and the kind of the router may be left out', () => {
    expect(problem(external('http://10.0.0.1:1'), beyond)).toBe('');
  });
});

describe('HAProxy', () => {
  const haproxy = 'router: { kind: haproxy, directory: ha }';

  it.each([
    ['a host name', external('http://models.example:80'), /expected with router haproxy an IP address/],
    ['an address without a port', external('http://10.0.0.1'), /expected with router haproxy a port/],
    ['https:// without serving.tls', external('https://10.0.0.1:1'), /without serving\.tls/],
    [
      'http:// among https://',
      `${external('https://10.0.0.1:1', 'http://10.0.0.2:1')}, tls: {}`,
      /https:\/\/ for all: it speaks TLS to every server/,
    ],
  ])('is told nothing that it then always refuses: %s', (_, serving, words) => {
    expect(problem(serving, haproxy)).toMatch(words);
    expect(problem(serving)).toBe('');
  });

  it('takes IP addresses with one scheme', () => {
    expect(problem(external('http://10.0.0.1:1', 'http://[fd00::1]:1'), haproxy)).toBe('');
    expect(problem(`${external('https://10.0.0.1:1')}, tls: {}`, haproxy)).toBe('');
    expect(problem(process, haproxy)).toBe('');
  });

  it('keeps no answers that could be compared', () => {
    const more = '    answer: { text: t }\n    samples: { share: 0.1 }\n    semantic: { embedder: { kind: hashed } }\n';
    expect(problem(process, haproxy, more)).toMatch(/semantic: found with router haproxy/);
    expect(problem(process, '', more)).toBe('');
    expect(problem(process, '', more.replace('share: 0.1', 'share: 0'))).toMatch(
      /samples\.share: found 0 with semantic/,
    );
  });
});

it('two versions at one address are refused: a rollback between them would move nothing', () => {
  expect(problem(external('http://10.0.0.1:1', 'http://10.0.0.1:1'))).toMatch(/versions\.2: .*is the address of 1/);
});

describe('a key of another choice', () => {
  it.each([
    ["runtime: triton, address: 'http://10.0.0.1:1', repository: m, command: [x]", 'serving.command'],
    [`${process}, repository: m`, 'serving.repository'],
  ])('is not proposed as what was meant: %s', (serving, key) => {
    const found = problem(serving);
    expect(found).toMatch(new RegExp(`${key}: unknown key with runtime \\w+ \\(it belongs to [a-z, ]+\\)`));
  });

  it('of a registry is said to belong there', () => {
    const registry = '    registry: { kind: dvc, repository: clone, url: http://10.0.0.1 }\n';
    expect(problem(process, '', registry)).toContain('registry.url: unknown key with kind dvc (it belongs to mlflow)');
  });

  it('that is misspelt is still corrected', () => {
    expect(problem(process.replace('command', 'comand'))).toContain(
      'serving.comand: unknown key, did you mean command?',
    );
  });
});

describe('an error is told where it is', () => {
  it('inside an Alertmanager as a source it is not one of Prometheus', () => {
    const metrics =
      '    metrics: { alert: { kind: rate, practicalMargin: 0.1, source: { alertmanager: { url: http://10.0.0.1:9093, alert: A, evry: 5s } } } }\n';
    expect(problem(process, '', metrics)).toContain('source.alertmanager.evry: unknown key, did you mean every?');
  });

  it('an Alertmanager is named by its base address', () => {
    const alerts = "alerts: { alertmanagers: [{ url: 'http://10.0.0.1:9093/api/v2/alerts' }] }";
    expect(problem(process, alerts)).toContain('expected the base address, such as http://127.0.0.1:9093');
    expect(problem(process, alerts.replace('/api/v2/alerts', '/prefix'))).toBe('');
  });

  it('a secret in the place of its file is never shown', () => {
    const auth = 'auth: { user: lg, password: geheim }';
    const found = problem(process, '', `    registry: { kind: mlflow, url: 'http://10.0.0.1', ${auth} }\n`);
    expect(found).toContain('expected {file: PATH} or {env: NAME}; the secret never stands here');
    expect(found).not.toContain('geheim');
  });

  it('a repository elsewhere, and a placeholder that nobody fills, are seen without asking', () => {
    const registry = "    registry: { kind: dvc, repository: 'git@git.example:models.git' }\n";
    expect(problem(process, '', registry)).toContain('expected the path of a clone on this machine');
    const parts = "    external: { features: { url: 'http://10.0.0.1/{versoin}' } }\n";
    expect(problem(process, '', parts)).toContain('expected no other placeholder than {version}');
    expect(problem(process, '', parts.replace('versoin', 'version'))).toBe('');
  });
});
