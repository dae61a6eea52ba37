import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, type Configuration } from '../../workers/configuration/configuration';
import { loadConfiguration } from '../../workers/configuration/load';
import type { Environment } from '../../workers/environment';
import { openWebhooks } from '../../workers/webhooks/open-webhooks';

const dir = mkdtempSync(join(tmpdir(), 'lastgood-webhooks-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function load(mail: string, chat = '{}'): Configuration {
  const file = join(dir, 'lastgood.yaml');
  const serving = "serving: { runtime: process, command: ['/usr/bin/env', '{report}'] }";
  const service = (name: string, more: string) => `  ${name}:\n    model: m\n    ${serving}\n    ${more}\n`;
  writeFileSync(file, `services:\n${service('mail', mail)}${service('chat', `rollbackWebhooks: ${chat}`)}`);
  return loadConfiguration(file);
}

function problemsOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems.join('\n');
    throw error;
  }
  return '';
}

const environment = {
  inherited: { GOOD: Buffer.alloc(32, 1).toString('base64'), SHORT: 'AAAA' },
} as unknown as Environment;
const webhook = (url: string, more = '', events = '[event]'): string =>
  `webhooks: { desk: { url: '${url}', events: ${events}, secretEnv: GOOD${more} } }`;

it('are told and asked what they are configured for, with secrets from a file or a variable', () => {
  writeFileSync(join(dir, 'secret'), `whsec_${Buffer.alloc(32, 2).toString('base64')}\n`);
  const configuration = load(
    `${webhook('https://desk.example/x', '', '[confirm-rollback, post-rollback]')}\n    rollbackWebhooks: { ci: { secretFile: secret } }`,
  );
  const opened = openWebhooks(configuration, environment);
  expect(opened.out).toMatchObject([{ service: 'mail', name: 'desk', tells: ['post-rollback'], confirms: true }]);
  expect(opened.callersOf('mail').map(({ name, secret }) => [name, secret().length])).toEqual([['ci', 50]]);
  expect(opened.callersOf('chat')).toEqual([]);
});

it.each([
  [
    'a metadata service by number',
    'http://169.254.169.254/x',
    'url: found 169.254.169.254, which is link-local or a metadata service',
  ],
  ['one of IPv6', 'http://[fe80::1]/x', 'url: found fe80::1, which is'],
  [
    'the one of EC2 by IPv6',
    'http://[fd00:ec2::254]/x',
    'expected another address, or fd00:ec2::254 in allowAddresses',
  ],
  ['one in another notation', 'http://0xa9fea9fe/x', 'url: found 169.254.169.254'],
  ['one by its name', 'http://metadata.google.internal/x', 'url: found metadata.google.internal'],
  ['a password in the address', 'https://a:b@desk.example/x', 'url: found a user or a password'],
])('are refused for %s', (_what, url, words) => {
  const found = problemsOf(() => load(webhook(url)));
  expect(found).toContain('services.mail.webhooks.desk.');
  expect(found).toContain(words);
});

it('may be at an address of that kind where the file names it', () => {
  expect(problemsOf(() => load(webhook('http://169.254.7.7/x', ", allowAddresses: ['169.254.7.7']")))).toBe('');
});

it('that answer for people do so over https, or from this machine', () => {
  const asked = (url: string): string => problemsOf(() => load(webhook(url, '', '[confirm-rollback]')));
  expect(asked('http://desk.example/x')).toContain('whose answer is an act and could be changed on its way');
  expect(asked('http://127.0.0.1:9/x')).toBe('');
});

it('have one secret each, which is there, long enough, and nobody else’s', () => {
  expect(problemsOf(() => load("webhooks: { desk: { url: 'https://d.example', events: [event] } }"))).toContain(
    'exactly one of secretFile and secretEnv',
  );
  expect(
    problemsOf(() => load('rollbackWebhooks: { ci: { secretEnv: GOOD } }', '{ ci: { secretEnv: GOOD } }')),
  ).toContain(
    'services.chat.rollbackWebhooks.ci: found the variable GOOD, which services.mail.rollbackWebhooks.ci has already',
  );
  const opened = (more: string): string => problemsOf(() => openWebhooks(load(more), environment));
  expect(opened('rollbackWebhooks: { ci: { secretFile: gone } }')).toContain(
    'services.mail.rollbackWebhooks.ci.secretFile: ENOENT',
  );
  expect(opened('rollbackWebhooks: { ci: { secretEnv: NONE } }')).toContain('found no variable NONE');
  expect(opened('rollbackWebhooks: { ci: { secretEnv: SHORT } }')).toContain(
    'services.mail.rollbackWebhooks.ci: a signing secret',
  );
  expect(opened("webhooks: { desk: { url: 'https://d.example', events: [event], secretEnv: SHORT } }")).toContain(
    'has 3 bytes',
  );
});
