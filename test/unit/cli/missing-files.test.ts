import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { dirname, join } from 'node:path';
import { main } from '../../../cli/main';
import { runPaths } from '../../../workers/embedded/paths';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';

/** Parts of a configuration that name a file which is not there, and what a message about it must name. */
const process = "runtime: process, command: ['/usr/bin/env', '{report}']";
const external = "runtime: external, versions: { '1': 'http://10.9.9.9:1' }";
const others = '[{ name: two, control: https://two.example:7782, tokenFile: two.token, caFile: gone.pem }]';
const missing: readonly (readonly [string, string, string])[] = [
  ['artifacts.signature.keys[0]', 'artifacts: { signature: { policy: refuse, keys: [gone.pem] } }', process],
  ['services.mail.serving.apiKeyFile', '', `${process}, engine: vllm, apiKeyFile: gone.key`],
  [
    'services.mail.serving.tls.caFile',
    '',
    "runtime: external, versions: { '1': 'https://127.0.0.1:1' }, tls: { caFile: gone.pem }",
  ],
  ['api.identity.tokensFile', 'api: { identity: { tokensFile: gone.yaml } }', external],
  [
    'api.identity.oidc.keysFile',
    "api: { identity: { oidc: { issuer: 'https://i.example', audience: a, keysFile: gone.json, roles: {} } } }",
    external,
  ],
  ['temporal.encryption.keys', 'temporal: { encryption: { keys: [{ id: a, file: gone.key }] } }', external],
  ['router.others[0].caFile', `router: { kind: gateway, others: ${others} }`, external],
];

let directory: string;
let config: string;
beforeEach(() => {
  directory = temporaryDirectory('missing-files');
  config = join(directory, 'lastgood.yaml');
});
afterAll(removeTemporary);

function write(top: string, serving: string, more = ''): void {
  writeFileSync(
    config,
    `${top}\nservices:\n  mail:\n    listen: 127.0.0.1:8080\n    model: m\n    serving: { ${serving} }\n${more}`,
  );
}

async function run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await main([...args, '--config', config], {
    isTerminal: false,
    out: (line) => void (out += `${line}\n`),
    err: (line) => void (err += `${line}\n`),
    repaint: () => undefined,
    now: () => 0,
  });
  return { code, out, err };
}

test.each(missing)(
  'a missing file of %s is a configuration that cannot be used, not a fault',
  async (key, top, serving) => {
    write(top, serving);
    const { code, err } = await run('validate');
    expect(err).toContain(key);
    expect(err).toContain('gone.');
    expect(err).toContain('to do: correct what it names; lastgood validate checks it again');
    expect(err).not.toContain('fault of lastgood');
    expect(code).toBe(64);
  },
);

test('the versions in the store need every key that may sign', async () => {
  write('artifacts: { signature: { policy: refuse, keys: [gone.pem] } }', process);
  const { code, err } = await run('artifacts', 'list');
  expect(err).toContain('artifacts.signature.keys[0]');
  expect(code).toBe(64);
});

test('a certificate for HAProxy that is not there is named by its key, and nothing is written', async () => {
  write(
    `router: { kind: haproxy, directory: ${join(directory, 'ha')} }`,
    external,
    '    listenTls: { certFile: gone.pem, keyFile: gone.key }\n',
  );
  const { code, err } = await run('haproxy', 'config', '--write');
  expect(err).toContain('services.mail.listenTls.certFile: ENOENT');
  expect(err).toContain('services.mail.listenTls.keyFile: ENOENT');
  expect(code).toBe(64);
});

describe('with the controller down', () => {
  let gateway: Server;
  beforeEach(async () => {
    const { socket } = runPaths(join(directory, '.lastgood')).gatewayControl;
    mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
    const record = { service: 'mail', epoch: 3, primary: '1', pins: [], backends: { '1': [] } };
    const counts = { fallback: null, inFlight: {}, pinned: {}, lastSeq: 1 };
    gateway = createServer((_, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ service: 'mail', record, floor: 0, inForceSince: 1, ...counts }));
    });
    await new Promise<void>((resolve) => gateway.listen(socket, resolve));
  });
  afterEach(() => new Promise((resolve) => gateway.close(resolve)));

  test.each(missing)('status reads the gateway whatever file of %s is missing', async (key, top, serving) => {
    write(top, serving);
    const { code, out, err } = await run('status');
    expect(err).toBe('');
    expect(out).toContain('The controller is down');
    expect(out).toMatch(/mail/);
    expect(out.includes('the other routers:')).toBe(key.startsWith('router.'));
    expect(code).not.toBe(70);
  });
});

test('doctor names each file that is missing and each part that is not reached, and goes on', async () => {
  write(
    `artifacts: { signature: { policy: refuse, keys: [gone.pem] } }
router: { others: ${others} }
gateway: { control: { listen: 127.0.0.1:0, tokenFile: gone.token } }
ledger: { postgres: { host: 127.0.0.1, port: 1, database: d, user: u } }`,
    external,
  );
  const { code, out } = await run('doctor', '--json');
  expect(code).toBe(1);
  const { findings } = JSON.parse(out) as { findings: { what: string; level: string; said: string }[] };
  const wrong = findings.filter(({ level }) => level === 'wrong').map(({ what, said }) => `${what}: ${said}`);
  for (const words of [
    'artifacts.signature: ',
    'router.others[0].tokenFile: ',
    'gateway.control.tokenFile: ',
    'ledger: ',
  ])
    expect(wrong.filter((line) => line.startsWith(words))).toHaveLength(1);
  expect(findings.map(({ what }) => what)).toContain('port 127.0.0.1:0 (gateway.control.listen)');
});

test.each([
  ['validate', process, 'no version is imported'],
  ['validate', external, 'mail: artifacts: none'],
  ['doctor', process, 'nothing is wrong'],
] as const)('%s of a service by %s leaves the machine as it was: no directory is made', async (verb, serving, said) => {
  write('artifacts: { directory: store }\ndataDir: data', serving);
  // Without a store, and with an empty one.
  for (const there of [[], ['store']]) {
    for (const name of there) mkdirSync(join(directory, name));
    const before = readdirSync(directory, { recursive: true });
    const { out } = await run(verb);
    expect(out).toContain(said);
    expect(readdirSync(directory, { recursive: true })).toEqual(before);
  }
});

test('an experiment that is not there, or wrong, is told with the verbs on experiments', async () => {
  write('', process);
  for (const args of [
    ['chaos', 'run', 'killed-srevice', '--reason', 'r'],
    ['chaos', 'show', 'killed-srevice.yaml'],
  ]) {
    const { code, err } = await run(...args);
    expect(code).toBe(64);
    expect(err).toContain('found no experiment "killed-srevice');
    expect(err).toContain('lastgood chaos list');
    expect(err).not.toContain('validate');
  }
  const file = join(directory, 'degrade.yaml');
  writeFileSync(
    file,
    'schema: 1\nname: d\nwhy: w\ntrigger: { kind: degrade }\nfault: { kind: kill-serving }\nexpect: { outcome: settled }\n',
  );
  const { err } = await run('chaos', 'run', file, '--reason', 'r');
  expect(err).toMatch(/degrade\.yaml:4.*trigger\.kind: found "degrade", expected one of manual-rollback, none/s);
  expect(err).toContain(`lastgood chaos show ${file} checks it again`);
});
