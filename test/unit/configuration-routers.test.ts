import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, type Configuration } from '../../workers/configuration/configuration';
import { gatewayConfigOf } from '../../workers/configuration/gateway-file';
import { loadConfiguration } from '../../workers/configuration/load';
import { runPaths } from '../../workers/embedded/paths';
import { gatewayConfigSchema } from '../../gateway/protocol';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'lastgood-configuration-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const reachable = "{ runtime: external, versions: { '1': 'http://10.9.9.9:1' } }";

function load(text: string): Configuration {
  const file = join(dir, 'lastgood.yaml');
  writeFileSync(
    file,
    `host: one
${text}
services:
  mail:
    model: mail
    serving: ${reachable}
`,
  );
  return loadConfiguration(file);
}

function problemsOf(text: string): string[] {
  try {
    load(text);
  } catch (error) {
    if (error instanceof ConfigurationError) return [...error.problems];
    throw error;
  }
  throw new Error('the configuration was accepted');
}

const other = '{ name: two, control: https://two.example:7782, tokenFile: two.token, caFile: ca.pem }';

it('another router is a peer of the gateway, by its control address and its token; alone it has none', () => {
  const configuration = load(
    `router: { kind: gateway, others: [${other}] }\ngateway: { control: { listen: 127.0.0.1:7782, tokenFile: own.token }, lease: 500ms }`,
  );
  const gateway = gatewayConfigSchema.parse(gatewayConfigOf(configuration, runPaths(configuration.dataDir)));
  expect(gateway).toMatchObject({
    remoteControl: { host: '127.0.0.1', port: 7782, tokenFile: join(dir, 'own.token') },
    peers: [
      {
        name: 'two',
        control: {
          url: 'https://two.example:7782',
          tokenFile: join(dir, 'two.token'),
          caFile: join(dir, 'ca.pem'),
        },
      },
    ],
    leaseMs: 500,
    holdMaxMs: 1_500,
  });
  const alone = load('');
  expect(gatewayConfigOf(alone, runPaths(alone.dataDir))).not.toHaveProperty('peers');
});

it('behind HAProxy the gateway of this host holds nobody: it has no clients', () => {
  const file = join(dir, 'haproxy.yaml');
  const text = `host: one
router: { kind: haproxy, directory: /tmp/ha, others: [${other}] }
services:
  mail:
    listen: 127.0.0.1:8080
    model: mail
    serving: ${reachable}
`;
  writeFileSync(file, text);
  const configuration = loadConfiguration(file);
  expect(configuration.router.others).toHaveLength(1);
  expect(gatewayConfigOf(configuration, runPaths(configuration.dataDir))).not.toHaveProperty('peers');
});

it.each([
  ['a token in the clear', `{ name: two, control: http://two.example:7782, tokenFile: t }`, 'would be read on its way'],
  [
    'the name of this host',
    `{ name: one, control: https://two.example:7782, tokenFile: t }`,
    'the name of another router',
  ],
  ['a path in its address', `{ name: two, control: https://two.example/x, tokenFile: t }`, 'without a path'],
  [
    'a certificate without TLS',
    `{ name: two, control: http://127.0.0.1:1, tokenFile: t, caFile: c }`,
    'no certificate',
  ],
])('another router is refused with %s', (_, text, words) => {
  expect(problemsOf(`router: { kind: gateway, others: [${text}] }`).join()).toContain(words);
});

it('the second control listener is refused where others could reach it without TLS', () => {
  expect(problemsOf('gateway: { control: { listen: 10.0.0.1:7782, tokenFile: t } }').join()).toContain('not loopback');
});
