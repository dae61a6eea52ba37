import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { TokenFile } from '../../api/identity/token-file';
import { loadConfig } from '../../gateway/config';
import { GatewayConfigError } from '../../gateway/errors';
import { readExperiment } from '../../workers/chaos/experiment-schema';
import { ConfigurationError } from '../../workers/configuration/configuration';
import { gatewayConfigOf } from '../../workers/configuration/gateway-file';
import { loadConfiguration } from '../../workers/configuration/load';
import { runPaths } from '../../workers/embedded/paths';
import { goodConfigurations, goodExperiment, goodGateway, goodTokens } from './good-files';
import { hostileJsonText, mangled, mutated } from './hostile';
import { crash, harmOf, surface, type Harm, type SurfacePlan } from './surface';

const YAML_TRICKS = [
  `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n`,
  '&a [*a]\n',
  'services: &s\n  mail: *s\n',
  '!!js/function "function(){}"\n',
  '!!binary x\n',
  '<<: {a: 1}\n',
  '? {a: 1}\n: 2\n',
  '? [services]\n: {}\n',
  '%YAML 9.9\n---\na: 1\n',
  '--- a\n--- b\n',
  'a: |\n',
  '\uFEFFservices: {}',
  `${'['.repeat(5_000)}`,
  `${'{a: '.repeat(3_000)}`,
  `${'- '.repeat(3_000)}x`,
  `x: "${'\\u0000'.repeat(100)}"`,
  `a: ${'1'.repeat(100_000)}`,
  'services: 2001-01-01\n',
  'null',
  '~',
  '\t',
];

/** Files that people write: each is refused with its name and a place in it, or read. */
export const filePlans: readonly SurfacePlan[] = [
  plan('configuration', 16, yamlOf(goodConfigurations), readsConfiguration),
  plan(
    'configuration.policy-file',
    2,
    yamlOf([
      {
        services: {
          mail: { policy: { mode: 'act', cooldown: '1s', verify: { goodAnswers: 3 } }, samples: { share: 0.1 } },
        },
      },
    ]),
    readsPolicyFile,
  ),
  plan('configuration.gateway', 5, hostileJsonText([goodGateway]), (file) =>
    refusal(
      () => loadConfig(file),
      (fault) => fault instanceof GatewayConfigError,
      file,
    ),
  ),
  plan('configuration.tokens', 4, yamlOf([goodTokens]), readsTokens),
  plan('configuration.experiment', 4, yamlOf([goodExperiment]), (file) =>
    refusal(
      () => readExperiment(file, null),
      (fault) => fault instanceof ConfigurationError,
      file,
    ),
  ),
];

function yamlOf(good: readonly unknown[]): fc.Arbitrary<Buffer> {
  const texts = good.map((value) => stringify(value));
  return fc.oneof(
    { weight: 5, arbitrary: mutated(good).map((value) => Buffer.from(yamlText(value))) },
    { weight: 3, arbitrary: mangled(texts) },
    { weight: 1, arbitrary: fc.constantFrom(...YAML_TRICKS).map((text) => Buffer.from(text)) },
  );
}

/** Lists within lists, as deep as they come, are written as JSON: `yaml` would write them with their indentation. */
function yamlText(value: unknown): string {
  const json = JSON.stringify(value) ?? '';
  return json.length > 20_000 || /(\[|\{"a":){60}/.test(json) ? json : stringify(value);
}

function plan(
  name: string,
  weight: number,
  inputs: fc.Arbitrary<Buffer>,
  meet: (file: string) => Promise<Harm | null>,
): SurfacePlan {
  return {
    name,
    weight,
    open: () => {
      const directory = mkdtempSync(join(tmpdir(), 'lastgood-security-'));
      const file = join(directory, name.includes('gateway') ? 'gateway.json' : 'file.yaml');
      return Promise.resolve(
        surface({
          name,
          inputs,
          meet: async (bytes) => {
            writeFileSync(file, bytes);
            return await meet(file);
          },
          close: () => Promise.resolve(rmSync(directory, { recursive: true, force: true })),
        }),
      );
    },
  };
}

/** What is accepted is also usable: the gateway gets a file of it that it reads. */
async function readsConfiguration(file: string): Promise<Harm | null> {
  return await refusal(
    () => {
      const configuration = loadConfiguration(file, { embedded: true });
      gatewayConfigOf(configuration, runPaths(configuration.dataDir));
    },
    (fault) => fault instanceof ConfigurationError,
    file,
  );
}

async function readsPolicyFile(policyFile: string): Promise<Harm | null> {
  const file = join(policyFile, '..', 'lastgood.yaml');
  writeFileSync(file, stringify(goodConfigurations[0]));
  return await refusal(
    () => loadConfiguration(file, { policyFile }),
    (fault) => fault instanceof ConfigurationError,
    '',
  );
}

async function readsTokens(file: string): Promise<Harm | null> {
  return await refusal(
    () => new TokenFile(file, () => undefined).read('lg_somebody', '127.0.0.1', Date.now()),
    (fault) => fault instanceof Error,
    file,
  );
}

/** A refusal is of the class that is shown to people, names the file, and has a sentence for each problem. */
async function refusal(read: () => unknown, isOurs: (fault: unknown) => boolean, names: string): Promise<Harm | null> {
  try {
    await read();
    return null;
  } catch (fault) {
    const harm = harmOf(fault);
    if (harm !== null) return harm;
    if (!isOurs(fault)) return crash(`an error of another class: ${String((fault as Error).stack).slice(0, 400)}`);
    const { message } = fault as Error;
    if (!message.includes(names)) return crash(`the refusal does not name the file: ${message.slice(0, 200)}`);
    return message.length > 200_000 ? crash(`a refusal of ${message.length} characters`) : null;
  }
}
