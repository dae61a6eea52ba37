import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkAlertTargets } from '../../../cli/checks/alert-targets';
import { policyFindings } from '../../../cli/checks/policy';
import { checkRouters } from '../../../cli/checks/routers';
import { loadConfiguration } from '../../../workers/configuration/load';
import { readEnvironment } from '../../../workers/environment';
import { tritonFacts } from '../../../workers/triton-facts';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';

const directory = temporaryDirectory('source-checks');
const file = join(directory, 'lastgood.yaml');
afterAll(removeTemporary);

function configurationOf(top: string, serving = "runtime: external, versions: { '1': 'http://10.9.9.9:1' }") {
  writeFileSync(file, `${top}\nservices:\n  mail:\n    model: m\n    serving: { ${serving} }\n`);
  return loadConfiguration(file);
}

describe('where alerts go to', () => {
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  beforeAll(() => {
    writeFileSync(join(directory, 'good'), secret);
    writeFileSync(join(directory, 'bad'), 'not-a-secret');
    writeFileSync(join(directory, 'token'), 't0ken');
  });

  const judged = async (alerts: string): Promise<[string, string]> => {
    const [finding] = await checkAlertTargets(configurationOf(`alerts: { ${alerts} }`), readEnvironment());
    return [finding?.level ?? '', `${finding?.what}: ${finding?.said}`];
  };

  it.each([
    [
      'an address that hands out credentials',
      "webhooks: [{ url: 'http://169.254.169.254/hook', secretFile: good }]",
      'link-local',
    ],
    ['a secret that is none', "webhooks: [{ url: 'http://127.0.0.1:9/x', secretFile: bad }]", 'signing secret'],
    ['a secret that is not there', "webhooks: [{ url: 'http://127.0.0.1:9/x', secretFile: gone }]", 'ENOENT'],
    ['an Alertmanager that is link-local', "alertmanagers: [{ url: 'http://169.254.0.1:9093' }]", 'link-local'],
    ['a bot without its token', 'slack: [{ secretFile: gone, channel: ops }]', 'ENOENT'],
    ['an incoming webhook that is no address', 'slack: [{ secretFile: bad }]', 'not a URL'],
    ['a routing key that is not there', 'pagerDuty: [{ secretFile: gone }]', 'ENOENT'],
    [
      'a mail server that hands out credentials',
      "email: [{ server: '169.254.169.254:25', from: a@b.c, to: [d@e.f] }]",
      'link-local',
    ],
    ['a token that is not there', "alertmanagers: [{ url: 'http://127.0.0.1:9093', tokenFile: gone }]", 'ENOENT'],
  ])('%s is found before the controller refuses to start', async (_, alerts, words) => {
    const [level, said] = await judged(alerts);
    expect([level, said]).toEqual(['wrong', expect.stringContaining(words)]);
    expect(said).not.toContain('not-a-secret');
  });

  it('is not called at all, and is fine where everything can be read', async () => {
    expect((await judged("webhooks: [{ url: 'http://127.0.0.1:9/x', secretFile: good }]"))[0]).toBe('ok');
    expect((await judged("alertmanagers: [{ url: 'http://127.0.0.1:9', tokenFile: token }]"))[0]).toBe('ok');
    expect((await judged('slack: [{ secretFile: token, channel: ops }]'))[0]).toBe('ok');
    expect((await judged('pagerDuty: [{ secretFile: token }]'))[0]).toBe('ok');
    const mail = "email: [{ server: 'mail.example.org:587', user: u, secretFile: token, from: a@b.c, to: [d@e.f] }]";
    expect((await judged(mail))[0]).toBe('ok');
  });
});

it('an order of targets that can never be measured is a warning, and so is a distance that everything is within', () => {
  const judged = (policy: string, samples = ''): string[] => {
    writeFileSync(
      file,
      `services:\n  mail:\n    model: m\n    serving: { runtime: external, versions: { '1': 'http://10.9.9.9:1' } }\n    policy: { target: { ${policy} } }\n${samples}`,
    );
    return policyFindings(loadConfiguration(file)).map(({ what }) => what.replace('services.mail.policy.', ''));
  };
  const on = '    samples: { share: 0.1 }\n';
  expect(judged('order: closest-profile')).toEqual(['target.order']);
  expect(judged('order: closest-profile', on)).toEqual([]);
  expect(judged('order: closest-profile, maxDistance: 50', on)).toEqual(['target.maxDistance']);
  expect(judged('order: previous')).toEqual([]);
});

describe('routers on other hosts', () => {
  const other = (more: string): string =>
    `router: { others: [{ name: two, control: 'https://127.0.0.1:1', tokenFile: token, ${more} }] }`;

  it.each([
    ['a certificate that is not there', other('caFile: gone.pem'), 'gone.pem'],
    ['nobody who answers', other(''), 'ECONNREFUSED'],
    ['a token that is not there', other('').replace('tokenFile: token', 'tokenFile: gone'), 'ENOENT'],
  ])('%s is a finding with the key to correct', async (_, top, words) => {
    const findings = await checkRouters(configurationOf(top));
    expect(findings.filter(({ level }) => level !== 'warning')).toMatchObject([
      { level: 'wrong', said: expect.stringContaining(words) as string },
    ]);
    expect(findings.map(({ what, remedy }) => `${what} ${remedy}`).join()).toContain('router.others[0]');
  });

  it('that cannot ask this one are a warning', async () => {
    expect(await checkRouters(configurationOf(other('')))).toContainEqual(
      expect.objectContaining({ what: 'router.others', level: 'warning' }),
    );
  });

  it('the token of the own control listener is read too', async () => {
    const top = 'gateway: { control: { listen: 127.0.0.1:7782, tokenFile: gone } }';
    expect(await checkRouters(configurationOf(top))).toMatchObject([
      { what: 'gateway.control.tokenFile', level: 'wrong' },
    ]);
  });
});

it('a Triton must prove itself to `doctor` as to the router', async () => {
  const { services } = configurationOf(
    '',
    "runtime: triton, address: 'https://127.0.0.1:1', repository: models, tls: { caFile: gone.pem }",
  );
  const [service] = services;
  if (service?.serving.runtime !== 'triton') throw new Error('a Triton was configured');
  await expect(tritonFacts(service, service.serving)).rejects.toThrow('services.mail.serving.tls.caFile');
});
