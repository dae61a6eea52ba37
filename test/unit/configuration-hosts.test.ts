import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, type Configuration } from '../../workers/configuration/configuration';
import { loadConfiguration, type LoadOptions } from '../../workers/configuration/load';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'lastgood-configuration-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const reachable =
  'router: { kind: gateway, reachedAt: { control: https://one.example:7782, tokenFile: t, caFile: c } }';
const command = (more = ''): string =>
  `serving: { runtime: process, command: [serve, '{artifact}', '{report}'${more}] }`;
const listening = command(", '{host}'");
const two = 'hosts: { one: { reachedAt: 10.0.0.1 }, two: { reachedAt: 10.0.0.2 } }';

function load({ top = reachable, service }: { top?: string; service: string }, options?: LoadOptions): Configuration {
  const file = join(dir, 'hosts.yaml');
  writeFileSync(
    file,
    `host: one\n${top}\nservices:\n  mail:\n    model: mail\n    ${service.split('\n').join('\n    ')}\n`,
  );
  return loadConfiguration(file, options);
}

function problemsOf(text: Parameters<typeof load>[0], options?: LoadOptions): string {
  try {
    load(text, options);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

it('hosts with addresses make a version a set of copies; a service on one host has no word of it', () => {
  const { services, host } = load({ service: `${listening}\n${two}\nminReplicas: 2` });
  expect(host).toBe('one');
  expect(services[0]?.hosts).toEqual({ one: '10.0.0.1', two: '10.0.0.2' });
  expect(services[0]?.policy.replicas).toEqual({ hosts: ['one', 'two'], minReplicas: 2 });
  for (const alone of [command(), `${command()}\nhosts: { one: {} }`]) {
    const [service] = load({ top: '', service: alone }).services;
    expect(service?.policy).not.toHaveProperty('replicas');
    expect(service?.hosts).toEqual({ one: '127.0.0.1' });
  }
});

it('the worker of another host has the services that run there, and asks the gateway of the first host', () => {
  const configuration = load({ service: `${listening}\n${two}` }, { host: 'two' });
  expect(configuration).toMatchObject({ host: 'two', controlHost: 'one', services: [{ name: 'mail' }] });
  expect(configuration.router).toMatchObject({
    reachedAt: { url: 'https://one.example:7782', tokenFile: join(dir, 't'), caFile: join(dir, 'c') },
  });
  expect(problemsOf({ service: `${listening}\n${two}` }, { host: 'three' })).toBe(
    '--host: found three, which no service names; expected one of one, two',
  );
});

const docker = (more: string): string =>
  `serving: { runtime: docker, image: 'sha256:${'a'.repeat(64)}', port: 80${more} }\n${two}`;

it.each([
  ['without the host of the file', `${listening}\nhosts: { two: { reachedAt: 10.0.0.2 } }`, 'expected one among them'],
  [
    'without an address',
    `${listening}\nhosts: { one: {}, two: { reachedAt: 10.0.0.2 } }`,
    'hosts.one.reachedAt: is missing',
  ],
  ['twice at one address', `${listening}\n${two.replace('10.0.0.2', '10.0.0.1')}`, 'which one has already'],
  ['at every address', `${listening}\n${two.replace('10.0.0.2', '0.0.0.0')}`, 'every address of the host'],
  [
    'by a name instead of an address',
    `${listening}\n${two.replace('10.0.0.2', 'two.example')}`,
    'an IP address of that host',
  ],
  ['as a list', `${listening}\nhosts: [one, two]`, 'services.mail.hosts'],
  ['with a command that cannot be told where to listen', `${command()}\n${two}`, 'has no {host}'],
  ['with more copies than hosts', `${listening}\n${two}\nminReplicas: 3`, 'found 3 with 2 hosts'],
  ['with more copies than the one host', `${command()}\nminReplicas: 2`, 'found 2 with one host'],
  [
    'that a running server has',
    `serving: { runtime: external, address: http://10.0.0.9:1 }\n${two}`,
    'expected process or docker',
  ],
  ['beside the addresses of an engine', docker(', docker: { publishAt: 127.0.0.1 }'), 'beside hosts'],
  ['with the network of the host', docker(', network: host'), 'expected bridge'],
])('hosts are refused %s', (_, service, words) => {
  expect(problemsOf({ service })).toContain(words);
});

it('several hosts are refused where their workers cannot ask the router before they stop a copy', () => {
  const service = `${listening}\n${two}`;
  expect(problemsOf({ top: '', service })).toContain('router.reachedAt: is missing');
  const haproxy = problemsOf({ top: 'router: { kind: haproxy, directory: /tmp/ha }', service });
  expect(haproxy).toContain('services.mail.hosts: found several hosts with router haproxy');
  const clear = reachable.replace('https', 'http').replace(', caFile: c', '');
  expect(problemsOf({ top: clear, service })).toContain('router.reachedAt.control: found http://one.example:7782');
});
