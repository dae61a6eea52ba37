import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Configuration } from '../../workers/configuration/configuration';
import { ConfigurationError } from '../../workers/configuration/configuration';
import { gatewayConfigOf } from '../../workers/configuration/gateway-file';
import { loadConfiguration } from '../../workers/configuration/load';
import { runPaths } from '../../workers/embedded/paths';
import { policySchema } from '../../workflows/contract/policy';

const dir = mkdtempSync(join(tmpdir(), 'lastgood-caches-'));

function load(caches: string, more = '', above = ''): Configuration {
  const file = join(dir, 'lastgood.yaml');
  const serving = "serving: { runtime: process, command: ['/usr/bin/env', '{report}'] }";
  writeFileSync(file, `${above}services:\n  mail:\n    model: m\n    ${serving}\n${more}    caches: ${caches}\n`);
  return loadConfiguration(file);
}

function problemsOf(...given: Parameters<typeof load>): string {
  try {
    load(...given);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems.join('\n');
    throw error;
  }
  return '';
}

describe('the output caches of a service', () => {
  it('are in the policy by name, strategy and TTL; where they are, and the password, stay with the controller', () => {
    const [mail] = load(
      '{ responses: { kind: redis, address: "redis.test:6379", passwordFile: pw, tls: {} } }',
    ).services;
    expect(mail?.policy.caches).toEqual([{ name: 'responses', strategy: 'version-tagged', ttlMs: 3_600_000 }]);
    expect(mail?.caches).toMatchObject([
      { kind: 'redis', host: 'redis.test', port: 6379, database: 0, password: { file: join(dir, 'pw') } },
    ]);
    expect(policySchema.safeParse(mail?.policy).success).toBe(true);
  });

  it('are absent from the policy of a service that has none, so that its plans stay as they were', () => {
    expect(load('{}').services[0]?.policy).not.toHaveProperty('caches');
  });

  it('in the gateway become a part of what it is started with', () => {
    const configuration = load('{ answers: { kind: gateway, strategy: auto, sla: 300ms, ignoreHeaders: [X-Trace] } }');
    const [mail] = gatewayConfigOf(configuration, runPaths(configuration.dataDir)).services;
    expect(mail?.cache).toEqual({
      ...{ strategy: 'auto', maxBytes: 64 * 2 ** 20, maxEntryBytes: 65_536, maxAgeMs: 300_000, coalesceMaxMs: 5_000 },
      ...{ ignoreHeaders: ['X-Trace'], slaP99Ms: 300 },
    });
  });

  it.each([
    [
      'a password in plain sight',
      '{ r: { kind: redis, address: "redis.test:6379", passwordEnv: PW } }',
      '',
      '',
      'with a password, which would be read on its way',
    ],
    [
      'two passwords',
      '{ r: { kind: redis, address: "127.0.0.1:6379", passwordEnv: PW, passwordFile: p } }',
      '',
      '',
      'at most one of passwordFile',
    ],
    ['two caches in the gateway', '{ a: { kind: gateway }, b: { kind: gateway } }', '', '', 'expected one'],
    [
      'one in the gateway of requests with effects',
      '{ a: { kind: gateway } }',
      '    repeatable: false\n',
      '',
      'must reach the model each time',
    ],
    [
      'one in a gateway that HAProxy stands in for',
      '{ a: { kind: gateway } }',
      '    listen: 127.0.0.1:8080\n',
      'router: { kind: haproxy, directory: ha }\n',
      'which passes no request to it',
    ],
    [
      'more than the state of a service has room for',
      `{ ${['a', 'b', 'c', 'd', 'e'].map((name) => `${name}: { kind: redis, address: "127.0.0.1:1" }`).join(', ')} }`,
      '',
      '',
      'at most 4 caches',
    ],
    [
      'a name that would be a pattern',
      '{ "r*": { kind: redis, address: "127.0.0.1:1" } }',
      '',
      '',
      'lower-case letters, digits and -',
    ],
  ])('are refused: %s', (_, caches, more, above, words) => {
    expect(problemsOf(caches, more, above)).toContain(words);
  });
});
