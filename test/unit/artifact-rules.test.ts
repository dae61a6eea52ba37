import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { artifactFindings } from '../../cli/checks/artifacts';
import { renderImport, renderVerification } from '../../cli/render/artifacts';
import { openArtifactStore, signingKeys } from '../../workers/artifact-store';
import type { Configuration } from '../../workers/configuration/configuration';
import { loadConfiguration } from '../../workers/configuration/load';
import { writeArtifact } from '../support/artifact-directory';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

afterAll(removeTemporary);

function load(artifacts: string, service = '', servesItself = false): Configuration {
  const directory = temporaryDirectory('rules');
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(join(directory, 'release.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(join(directory, 'none.pub'), 'hello');
  const file = join(directory, 'lastgood.yaml');
  const text = `${artifacts}
services:
  mail:
    model: mail
${servesItself ? '' : "    serving: { runtime: external, address: 'http://127.0.0.1:8000' }\n"}${service}`;
  writeFileSync(file, text);
  return loadConfiguration(file);
}

describe('the rules for artifacts in a configuration', () => {
  it('are: nobody looks at signatures, and no format that runs code, until something else is written', async () => {
    expect(load('').artifacts).toEqual({ allowFormats: [], signature: null });
    const store = await openArtifactStore(load(''));
    const { remarks } = await store.import(writeArtifact(temporaryDirectory('offer'), { version: '1.0' }));
    expect(remarks).toEqual([]);
  });

  it('refuse what is not signed as soon as there is a key', async () => {
    const configuration = load('artifacts: { signature: { keys: [release.pub] } }');
    expect(configuration.artifacts.signature?.policy).toBe('refuse');
    expect(signingKeys(configuration)).toMatchObject([{ name: 'release.pub', hash: 'sha256' }]);
    const store = await openArtifactStore(configuration);
    const offered = writeArtifact(temporaryDirectory('offer'), { version: '1.0' });
    await expect(store.import(offered)).rejects.toThrow(/model\.sig: missing \(expected a signature by release\.pub/);
  });

  it.each<[string, RegExp]>([
    ['artifacts: { signature: { keys: [] } }', /signature\.keys.*at least one public key/],
    ['artifacts: { signature: { policy: warn } }', /signature\.keys/],
    ['artifacts: { signature: { keys: [a], policy: maybe } }', /signature\.policy/],
    ['artifacts: { allowFormats: [onnx] }', /allowFormats/],
  ])('are refused as %s', (text, message) => {
    expect(() => load(text)).toThrow(message);
  });

  it.each(['none.pub', 'missing.pub'])('name the key that cannot be used, and where it stands (%s)', async (key) => {
    const opening = openArtifactStore(load(`artifacts: { signature: { keys: [${key}] } }`));
    await expect(opening).rejects.toMatchObject({ name: 'ConfigurationError' });
    await expect(opening).rejects.toThrow(new RegExp(`artifacts\\.signature\\.keys\\[0\\]: .*${key}: `));
  });
});

describe('validate', () => {
  it('says who may sign, warns of pickles, and refuses a key that cannot be used', async () => {
    const rules = 'artifacts: { allowFormats: [pickle], signature: { keys: [release.pub], policy: warn } }';
    const findings = await artifactFindings(load(rules));
    expect(findings).toMatchObject([
      { what: 'artifacts.allowFormats', level: 'warning' },
      { what: 'artifacts.signature', level: 'ok', said: expect.stringMatching(/^warn; keys: release\.pub/) as string },
    ]);
    const unusable = load('artifacts: { signature: { keys: [none.pub] } }');
    await expect(artifactFindings(unusable)).rejects.toThrow(/none\.pub/);
  });

  it('warns of a command that gives its server no verified directory', async () => {
    const serving = (command: string): string => `    serving: { runtime: process, command: [${command}] }`;
    const given = await artifactFindings(load('', serving("serve, '{artifact}', '{port}'"), true));
    expect(given).toEqual([]);
    const without = await artifactFindings(load('', serving("serve, '{port}'"), true));
    expect(without).toMatchObject([{ what: 'services.mail.serving.command', level: 'warning' }]);
  });
});

test('a part outside is asked at the configured place, by a path or whole', () => {
  const { services } = load(
    '',
    '    external: { features: { url: "http://f/{version}", path: v }, other: { url: "http://o/" } }',
  );
  expect(services[0]?.external).toEqual({
    features: { url: 'http://f/{version}', path: 'v' },
    other: { url: 'http://o/', path: null },
  });
  expect(() => load('', '    external: { features: { url: "file:///etc/passwd" } }')).toThrow(
    /external\.features\.url/,
  );
});

test('what people should know of a version stands below it, where it was imported and where it is verified', () => {
  const remarks = ['signed by release.pub (0123456789ab…)'];
  expect(renderVerification([{ name: 'mail@1.0', problems: [], remarks }])).toEqual([
    'mail@1.0: intact',
    `  ${remarks[0]}`,
  ]);
  const info = { version: '1.0', digest: 'sha256:x', importedAt: 0, evaluation: null, probes: 0, bytes: 1 };
  expect(renderImport({ outcome: 'imported', info: info as never, remarks }, false).at(-1)).toBe(`  ${remarks[0]}`);
});
