import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, type Configuration } from '../../workers/configuration/configuration';
import { gatewayConfigOf } from '../../workers/configuration/gateway-file';
import { configurationJsonSchema } from '../../workers/configuration/json-schema';
import { loadConfiguration, type LoadOptions } from '../../workers/configuration/load';
import { engineGroups } from '../../workers/engine-metrics';
import { runPaths } from '../../workers/embedded/paths';
import { checkConfig } from '../../gateway/config';
import { haproxyOptions } from '../../workers/router';
import { gatewayConfigSchema } from '../../gateway/protocol';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'lastgood-configuration-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const smallest = `
services:
  mail:
    model: mail
    serving: { runtime: process, command: [node, server.js, '{artifact}', '{report}'] }
`;

function load(text: string, options: LoadOptions = {}): Configuration {
  const file = join(dir, 'lastgood.yaml');
  writeFileSync(file, text);
  return loadConfiguration(file, options);
}

function problemsOf(text: string, options: LoadOptions = {}): string[] {
  try {
    load(text, options);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems.map((line) => line.replaceAll(`${dir}/`, ''));
    throw error;
  }
  throw new Error('the configuration was accepted');
}

describe('a configuration that names one service', () => {
  it('has the shipped policy', () => {
    const [service] = load(smallest).services;
    expect(service?.policy).toMatchSnapshot();
  });

  it('listens on loopback and keeps no samples', () => {
    const configuration = load(smallest);
    const [service] = configuration.services;
    expect([configuration.api.listen.host, configuration.gateway.metrics.host, service?.listen.host]).toEqual(
      Array(3).fill('127.0.0.1'),
    );
    expect(service?.samples.share).toBe(0);
  });

  it('has every path beside its file', () => {
    const configuration = load(smallest);
    expect(configuration.dataDir).toBe(join(dir, '.lastgood'));
    expect(configuration.api.tokenFile).toBe(join(dir, '.lastgood', 'api.token'));
    expect(configuration.services[0]?.serving).toMatchObject({ runtime: 'process', directory: dir });
  });

  it('obeys unproven operators only where the server is its own', () => {
    expect(load(smallest).services[0]?.policy.unverifiedOperators).toBe('refuse');
    expect(load(smallest, { embedded: true }).services[0]?.policy.unverifiedOperators).toBe('allow');
    const refused = `operators: { unverified: refuse }\n${smallest}`;
    expect(load(refused, { embedded: true }).services[0]?.policy.unverifiedOperators).toBe('refuse');
  });

  it('gives the gateway a file that the gateway accepts', () => {
    const configuration = load(smallest);
    const config = gatewayConfigOf(configuration, runPaths(configuration.dataDir));
    expect(gatewayConfigSchema.parse(config)).toEqual(config);
  });
});

describe('language model servers', () => {
  const service = (serving: string, policy = ''): string =>
    `services:\n  mail:\n    model: mail\n    serving: { ${serving} }\n${policy === '' ? '' : `    policy: { ${policy} }\n`}`;
  const problem = (text: string): string => problemsOf(text).join('\n');
  const adapters = "runtime: vllm-adapters, address: 'http://127.0.0.1:8000'";

  it('have engines of their own, with a proof of readiness that may be chosen', () => {
    const command = "runtime: process, command: [vllm, --port, '{port}']";
    const text = service(`${command}, engine: vllm, canary: { prompt: a, max_tokens: 1 }`);
    expect(load(text).services[0]?.serving).toMatchObject({
      engine: 'vllm',
      canary: { prompt: 'a', max_tokens: 1 },
    });
    expect(load(service(`${command}, engine: tgi`)).services[0]?.serving).toMatchObject({
      engine: 'tgi',
      canary: null,
    });
    expect(problem(service(`${command}, canary: { prompt: a }`))).toMatch(
      /serving\.canary: found with engine open-inference, which is asked by other means/,
    );
  });

  it('are sent the secret of a file, where they take one', () => {
    const secret = 'apiKeyFile: key.txt';
    const command = "runtime: process, command: [vllm, --port, '{port}']";
    expect(load(service(`${command}, engine: vllm, ${secret}`)).services[0]?.serving.apiKeyFile).toMatch(/\/key\.txt$/);
    expect(problem(service(`${command}, ${secret}`))).toMatch(/apiKeyFile: found with engine open-inference/);
  });

  it('are woken only where they can sleep beside what serves', () => {
    const versions = "runtime: external, wake: true, versions: { '1': 'http://127.0.0.1:1' }";
    expect(load(service(`${versions}, engine: vllm`)).services[0]?.serving).toMatchObject({ wake: true });
    expect(problem(service(versions))).toMatch(/wake: found true with engine open-inference, whose servers cannot/);
    const one = "runtime: external, wake: true, engine: vllm, address: 'http://127.0.0.1:1'";
    expect(problem(service(one))).toMatch(/wake: found true with one address/);
  });

  it('may hold every version as an adapter of one vLLM', () => {
    const text = service(`${adapters}, artifacts: /models, adapter: lora/v, maxAdapters: 4`);
    expect(load(text).services[0]?.serving).toMatchObject({
      runtime: 'vllm-adapters',
      engine: 'vllm',
      address: 'http://127.0.0.1:8000',
      artifactsThere: '/models',
      adapter: 'lora/v',
      maxAdapters: 4,
    });
    expect(load(service(adapters)).services[0]?.serving).toMatchObject({ adapter: '', artifactsThere: null });
  });

  it.each([
    ['another engine', `${adapters}, engine: openai`, /serving\.engine/],
    [
      'an adapter outside of its artifact',
      `${adapters}, adapter: ../other`,
      /a path in the artifact, without \. and \.\./,
    ],
    ['fewer adapters than copies', `${adapters}, maxAdapters: 1`, /less than policy\.copiesLoadedMax/],
  ])('are not configured with %s', (_, serving, words) => {
    expect(problem(service(serving))).toMatch(words);
  });

  it('keep adapters from a router that cannot name them', () => {
    const router = 'router: { kind: haproxy, directory: ha }\n';
    expect(problem(router + service(adapters))).toMatch(/found vllm-adapters with router haproxy: adapters share/);
  });

  it.each(["--shutdown-timeout, '60'", "'--shutdown-timeout=60'"])(
    'are given the time to finish that they are told to take: %s',
    (flag) => {
      const serving = `runtime: process, engine: vllm, command: [vllm, --port, '{port}', ${flag}]`;
      expect(problem(service(serving))).toMatch(
        /stopGrace: is shorter than --shutdown-timeout of the command \(60 s\)/,
      );
      expect(() => load(service(serving, 'steps: { stopGrace: 65s }'))).not.toThrow();
    },
  );
});

describe('versions as containers', () => {
  const pinned = `sha256:${'a'.repeat(64)}`;
  const docker = (text: string): string =>
    `services:\n  mail:\n    model: mail\n    serving: { runtime: docker, ${text} }\n`;
  const good = `image: '${pinned}', port: 8000`;
  const problem = (text: string): string => problemsOf(docker(text)).join('\n');

  it('need an image by what it is and the port of the server; everything else has a default that opens nothing', () => {
    const { serving } = load(docker(good)).services[0] ?? {};
    expect(serving).toMatchObject({
      runtime: 'docker',
      connection: { socket: '/var/run/docker.sock' },
      reachedAt: '127.0.0.1',
      publishAt: '127.0.0.1',
      template: {
        image: { reference: pinned, archive: null },
        network: 'bridge',
        port: 8000,
        artifactPath: '/artifact',
        capabilities: [],
        gpus: null,
        init: true,
      },
    });
  });

  it('may name an archive of their image beside the file, and another image for a version', () => {
    const images = `image: { id: '${pinned}', archive: images/server.tar }, images: { '1.2': 'registry.local/server@${pinned}' }, port: 8000`;
    expect(load(docker(images)).services[0]?.serving).toMatchObject({
      template: {
        image: { reference: pinned, archive: join(dir, 'images/server.tar') },
        images: { '1.2': { reference: `registry.local/server@${pinned}`, archive: null } },
      },
    });
  });

  it.each([
    ['a tag, which may be moved', 'image: server:1.2, port: 8000', /a tag may be moved under a running service/],
    [
      'a privileged container',
      `${good}, privileged: true`,
      /privileged: found true, expected nothing: refused, a privileged/,
    ],
    ['a path of the host', `${good}, volumes: ['/:/host']`, /volumes: .* refused, the only path of the host/],
    [
      'a restart by the engine',
      `${good}, restart: always`,
      /restart: .* would bring back a version that was rolled back/,
    ],
    [
      'a capability that is as good as root',
      `${good}, capabilities: [SYS_ADMIN]`,
      /capabilities\[0\]: found "SYS_ADMIN", expected one of CHOWN/,
    ],
    ['no port', `image: '${pinned}'`, /serving\.port: is missing/],
    [
      'a port on the network of the host',
      `${good}, network: host, command: ['{port}']`,
      /two copies could not both have it/,
    ],
    [
      'no way to tell a copy its port',
      `image: '${pinned}', network: host`,
      /found no \{port\} in command, entrypoint or env/,
    ],
    ['a report, which a container cannot write', `${good}, command: ['{report}']`, /found the placeholder \{report\}/],
    [
      'an engine by TCP without TLS',
      `${good}, docker: { host: gpu1, publishAt: 10.0.0.2 }`,
      /whoever reaches an engine without TLS owns its host/,
    ],
    ['copies that others could ask', `${good}, docker: { publishAt: 0.0.0.0 }`, /which is not loopback/],
    [
      'the root of the container as the place of the artifact',
      `${good}, artifactPath: /`,
      /an absolute path in the container, not \//,
    ],
  ])('are refused with %s', (_what, text, words) => {
    expect(problem(text)).toMatch(words);
  });

  it('are at an engine elsewhere with TLS both ways, and with the places that differ there', () => {
    const tls = 'tls: { caFile: ca.pem, certFile: cert.pem, keyFile: key.pem }';
    const text = `${good}, docker: { host: gpu1, ${tls}, publishAt: 10.0.0.2, artifacts: /mnt/artifacts }`;
    expect(load(docker(text)).services[0]?.serving).toMatchObject({
      connection: { host: 'gpu1', port: 2376, tls: { caFile: join(dir, 'ca.pem') } },
      reachedAt: 'gpu1',
      publishAt: '10.0.0.2',
      artifactsThere: '/mnt/artifacts',
    });
  });

  it('are not proposed what would be refused, where a key is misspelt', () => {
    const text = problem(`${good}, gpu: all`);
    expect(text).toContain('did you mean gpus?');
    expect(problem(`${good}, nothingOfTheKind: 1`)).not.toContain('privileged');
  });
});

describe('metrics from outside', () => {
  const metrics = (text: string): string => `${smallest}    metrics: { ${text} }\n`;
  const drift = (source: string): string =>
    metrics(`drift: { kind: distribution, practicalMargin: 3, source: { report: evidently, ${source} } }`);

  it('stand in the policy without the address that they are asked at', () => {
    const [service] = load(
      metrics(
        "wait: { kind: quantile, unit: ms, practicalMargin: 50, source: { prometheus: { url: 'http://127.0.0.1:9090', query: 'max(wait)' } } }",
      ),
    ).services;
    expect(service?.policy.detection.outside).toEqual([
      {
        metric: 'wait',
        kind: 'quantile',
        badDirection: 'up',
        tier: 'short-window',
        unit: 'ms',
        practicalMargin: 50,
        minSamples: 1,
        windowMs: 1_200_000,
        from: 'prometheus',
      },
    ]);
    expect(service?.metrics[0]?.source).toMatchObject({ query: 'max(wait)', everyMs: 15_000 });
    expect(JSON.stringify(service?.policy)).not.toContain('9090');
  });

  it('that are pushed are known to the gateway, with what a value of their kind can be', () => {
    const text =
      'refusals: { kind: rate, practicalMargin: 0.02 }, score: { kind: mean, unit: points, practicalMargin: 1 }';
    const configuration = load(metrics(text));
    const config = gatewayConfigOf(configuration, runPaths(configuration.dataDir));
    expect(config.services[0]?.pushed).toEqual([
      { metric: 'refusals', min: 0, max: 1 },
      { metric: 'score', min: null, max: null },
    ]);
    expect(gatewayConfigSchema.parse(config)).toEqual(config);
    expect(configuration.services[0]?.policy.detection.outside?.[0]?.unit).toBe('ratio');
  });

  it('that the serving copies tell are read by the controller, kept by the gateway for a week, and stand in no policy', () => {
    const text =
      "ttft: { kind: quantile, unit: s, practicalMargin: 0.2, source: { engine: 'vllm:time_to_first_token_seconds', read: p95 } }, " +
      'aborts: { kind: rate, practicalMargin: 0.05, source: { engine: done, read: ratio, labels: { reason: abort }, per: { engine: done }, port: 8002, every: 5s } }';
    const configuration = load(metrics(text));
    expect(engineGroups(configuration)).toMatchObject([
      {
        service: 'mail',
        everyMs: 15_000,
        path: '/metrics',
        port: null,
        metrics: [{ metric: 'ttft', query: { read: { how: 'quantile', q: 0.95 } }, min: null, max: null }],
      },
      {
        everyMs: 5_000,
        port: 8_002,
        metrics: [
          {
            metric: 'aborts',
            query: { labels: { reason: 'abort' }, read: { how: 'ratio', per: { name: 'done' } } },
            max: 1,
          },
        ],
      },
    ]);
    const config = gatewayConfigOf(configuration, runPaths(configuration.dataDir));
    expect(config.services[0]?.pushed).toMatchObject([{ metric: 'ttft', keptMs: 691_200_000 }, { metric: 'aborts' }]);
    expect(gatewayConfigSchema.parse(config)).toEqual(config);
    const [service] = configuration.services;
    expect(service?.policy.detection.outside?.map(({ from }) => from)).toEqual(['engine', 'engine']);
    expect(JSON.stringify(service?.policy)).not.toContain('vllm');
  });

  it('of which nothing is known need neither unit nor margin', () => {
    const [service] = load(metrics('backlog: { kind: series, direction: both }')).services;
    expect(service?.policy.detection.outside).toMatchObject([
      { metric: 'backlog', kind: 'series', badDirection: 'both', unit: '', practicalMargin: 0, from: 'pushed' },
    ]);
  });

  it('of another tool name a method whose bad side is known', () => {
    const [service] = load(drift("column: age, method: 'K-S p_value'")).services;
    expect(service?.policy.detection.outside?.[0]).toMatchObject({ unit: '(-log10 p)', from: 'pushed' });
    expect(problemsOf(drift('column: age, method: my-own'))[0]).toMatch(
      /services\.mail\.metrics\.drift\.source\.method: found "my-own", which is not known; .*expected one of K-S p_value,/,
    );
    expect(problemsOf(drift('method: PSI'))[0]).toContain('metrics.drift.source.column: is missing');
  });

  it.each([
    [
      'error-rate: { kind: rate, practicalMargin: 0.1 }',
      /metrics\.error-rate: is the name of a metric that lastgood measures/,
    ],
    ['score: { kind: mean, practicalMargin: 1 }', /metrics\.score\.unit: is missing, expected the unit of a mean/],
    ['score: { kind: rate }', /metrics\.score\.practicalMargin: is missing, expected a number above 0/],
    ['score: { kind: rate, practicalMargin: 0.1, margin: 3 }', /metrics\.score\.margin: unknown key/],
    ['Score: { kind: rate, practicalMargin: 0.1 }', /found the name "Score", expected a metric name/],
    ['w: { kind: series, tier: immediate }', /w\.tier: found immediate, expected short-window or trend/],
    ['w: { kind: rate, practicalMargin: 1, source: { engine: x } }', /w\.kind: found rate, which is a share of 0 to 1/],
    ['w: { kind: rate, practicalMargin: 1, source: { engine: x, read: ratio } }', /source\.per: is missing/],
    [
      'w: { kind: mean, unit: s, practicalMargin: 1, source: { engine: x, per: { engine: y } } }',
      /source\.per: found one for a value as it comes, expected it with read: ratio only/,
    ],
    ["w: { kind: mean, unit: s, practicalMargin: 1, source: { engine: 'x y' } }", /source/],
    [
      "w: { kind: rate, practicalMargin: 0.1, source: { prometheus: { url: 'http://a:b@h:1', query: up } } }",
      /source\.prometheus\.url: found a name or password/,
    ],
  ])('are refused with the place where they contradict themselves: %s', (text, problem) => {
    expect(problemsOf(metrics(text)).join('\n')).toMatch(problem);
  });
});

describe('machines beside this host', () => {
  const hardware = (text: string): string => `${smallest}    hardware:\n      gpu-1: ${text}\n`;

  it('are told by their exporters, or by a Prometheus server that scrapes them', () => {
    const [service] = load(
      hardware(
        "{ node: { url: 'http://gpu-1:9100/metrics' }, dcgm: { prometheus: 'http://p:9090', instance: 'gpu-1:9400', gpus: ['0'] } }",
      ),
    ).services;
    expect(service?.hardware).toEqual([
      { machine: 'gpu-1', kind: 'node', source: { url: 'http://gpu-1:9100/metrics' }, mountpoint: '/', gpus: null },
      {
        machine: 'gpu-1',
        kind: 'dcgm',
        source: { prometheus: 'http://p:9090', instance: 'gpu-1:9400' },
        mountpoint: '/',
        gpus: ['0'],
      },
    ]);
    expect(load(smallest).services[0]?.hardware).toEqual([]);
  });

  it.each<[string, string, RegExp]>([
    ['nothing to ask', '{}', /gpu-1: found .* expected node, dcgm, or both/],
    ['two ways at once', "{ node: { url: 'http://a/m', instance: 'b' } }", /gpu-1\.node/],
    ['no address', "{ node: { url: 'gpu-1:9100' } }", /gpu-1\.node/],
  ])('are refused with %s, with the place', (_, text, problem) => {
    expect(problemsOf(hardware(text)).join('\n')).toMatch(problem);
  });
});

describe('metrics of a policy', () => {
  const policy = (metrics: string): string => `${smallest}    policy: { detection: { metrics: ${metrics} } }\n`;

  it('change only what is named', () => {
    const metrics = load(policy('{ recall: { tier: immediate } }')).services[0]?.policy.detection.metrics ?? [];
    expect(metrics.find(({ metric }) => metric === 'recall')).toMatchObject({ tier: 'immediate', minSamples: 30 });
    expect(metrics).toHaveLength(10);
  });

  it('are left out with off', () => {
    const names = load(policy('{ memory: off }')).services[0]?.policy.detection.metrics.map(({ metric }) => metric);
    expect(names).not.toContain('memory');
    expect(names).toContain('recall');
  });
});

describe('a policy file', () => {
  const policyFile = (): string => join(dir, 'policy.yaml');

  it('is laid over the policy key by key', () => {
    writeFileSync(policyFile(), 'services: { mail: { policy: { cooldown: 60s, breaker: { calm: 1h } } } }\n');
    const { policy } = load(`${smallest}    policy: { bake: 2h }\n`, { policyFile: policyFile() }).services[0] ?? {};
    expect(policy).toMatchObject({
      cooldownMs: 60_000,
      bakeMs: 7_200_000,
      breaker: { consecutiveRollbacks: 2, calmMs: 3_600_000 },
    });
  });

  it('cannot name a service that is not configured, nor anything that decides where something runs', () => {
    writeFileSync(policyFile(), 'services: { mial: { policy: {} } }\n');
    expect(problemsOf(smallest, { policyFile: policyFile() })).toEqual([
      'policy.yaml:1:13: services.mial: unknown service, expected one of mail',
    ]);
    writeFileSync(policyFile(), 'services: { mail: { listen: x } }\n');
    expect(problemsOf(smallest, { policyFile: policyFile() })).toEqual([
      'policy.yaml:1:21: services.mail.listen: unknown key, expected one of policy, samples, firstByte, requestMax',
    ]);
  });
});

const service = (lines: string): string => `${smallest}${lines.replace(/^/gm, '    ')}\n`;

describe('what cannot be used is refused with its place, what was found and what is expected', () => {
  it.each<[string, string]>([
    ['an empty file', ''],
    ['a list', '- 1\n'],
    ['no services', 'services: {}\n'],
    ['text that is no YAML', 'services: {\n  mail: [\n'],
    ['a key twice', `${smallest}  mail: {}\n`],
    [
      'misspelt keys at every level',
      `apii: 1\n${service('modle: x\npolicy: { cooldwon: 30m, verify: { goodAnswer: 3 } }')}`,
    ],
    ['a number as duration', service('policy: { cooldown: 1800 }')],
    ['an unknown unit', service('policy: { cooldown: 30min }')],
    ['a duration out of range', service('policy: { standby: { proofEvery: 10ms } }')],
    ['a wrong word', service('policy: { mode: Act }')],
    ['a rate above one', service('samples: { share: 5 }')],
    ['an unknown metric', service('policy: { detection: { metrics: { recal: off } } }')],
    ['a metric in an unknown tier', service('policy: { detection: { metrics: { recall: { tier: now } } } }')],
    ['a missing runtime', 'services: { mail: { model: m, serving: { command: [x] } } }\n'],
    ['an unknown runtime', 'services: { mail: { model: m, serving: { runtime: podman } } }\n'],
    [
      'a Triton with a way out of the artifact, and one asked in another protocol',
      `services:
  a: { model: a/b, serving: { runtime: triton, address: 'http://127.0.0.1:8000', repository: r, subdirectory: '../x' } }
  b: { model: m, serving: { runtime: triton, address: 'http://127.0.0.1:8000', repository: r, engine: openai } }
`,
    ],
    [
      'two services with one model in one repository',
      `services:
  a: { model: a/b, serving: { runtime: triton, address: 'http://127.0.0.1:8000', repository: r } }
  b: { model: m, serving: { runtime: triton, address: 'http://127.0.0.1:8000', repository: r } }
  c: { model: m, serving: { runtime: triton, address: 'http://127.0.0.1:9000', repository: r } }
`,
    ],
    ['nothing of a service', 'services: { mail: }\n'],
    ['a service name that is none', `${smallest.replace('mail:', 'Mail_1:')}`],
    ['a command without a way to its address', smallest.replace("'{report}'", "'{prot}'")],
    ['both ways to name external versions', 'services: { m: { model: m, serving: { runtime: external } } }\n'],
    ['a port twice', `api: { listen: 127.0.0.1:8080 }\n${service('listen: 127.0.0.1:8080')}`],
    ['an open door of the API', `api: { listen: 0.0.0.0:7780 }\n${smallest}`],
    ['an open door of a service', service('listen: 0.0.0.0:8080')],
    [
      'a webhook with its secret in the file',
      `alerts: { webhooks: [{ url: 'https://a.example', secret: x }] }\n${smallest}`,
    ],
    ['a webhook without a secret', `alerts: { webhooks: [{ url: 'https://a.example' }] }\n${smallest}`],
    ['a bot of Slack without its token', `alerts: { slack: [{ channel: ops }] }\n${smallest}`],
    [
      'the address of an incoming webhook in the file',
      `alerts: { slack: [{ url: 'https://hooks.example/T', secretEnv: X }] }\n${smallest}`,
    ],
    ['a routing key in the file', `alerts: { pagerDuty: [{ routingKey: R }] }\n${smallest}`],
    [
      'a user of a mail server without a password',
      `alerts: { email: [{ server: 'm:587', user: u, from: a@b.c, to: [d@e.f] }] }\n${smallest}`,
    ],
    [
      'a password that would go to a mail server in plain sight',
      `alerts: { email: [{ server: 'm.example:25', tls: none, user: u, secretEnv: P, from: a@b.c, to: [d@e.f] }] }\n${smallest}`,
    ],
    [
      'a mail address with a line break',
      `alerts: { email: [{ server: 'm:25', from: "a@b.c\\nBcc: x@y.z", to: [d@e.f] }] }\n${smallest}`,
    ],
    ['a webhook that is no address', `alerts: { webhooks: [{ url: 'ftp://a.example', secretEnv: X }] }\n${smallest}`],
    ['no time for even one candidate', service('policy: { attempts: { total: 5m }, steps: { load: 10m } }')],
    ['proofs that can never be fresh', service('policy: { standby: { proofEvery: 1m, proofMaxAge: 30s } }')],
    ['a freeze window without a length', service('policy: { freezeWindows: [{ days: [1], fromHour: 8, toHour: 8 }] }')],
    ['not a number', service('samples: { share: .nan }')],
    [
      'answers to compare and no text of them',
      service('semantic: { embedder: { kind: hashed } }\nsamples: { share: 0.1 }'),
    ],
    [
      'a pattern that is none',
      service("answer: { text: t }\nsemantic: { embedder: { kind: hashed }, refusals: ['('] }"),
    ],
  ])('%s', (_what, text) => {
    expect(problemsOf(text)).toMatchSnapshot();
  });

  it.each([
    ['dataDir: /proc/lastgood', 'dataDir: found /proc/lastgood, expected a directory on a disk'],
    ['dataDir: lastgood.yaml/data', /dataDir: found \S+\/data, but \S*lastgood\.yaml is a file, expected a directory/],
    ['artifacts: { directory: lastgood.yaml }', /artifacts\.directory: found \S+, but \S+ is a file/],
  ])('a directory that could never be made: %s', (line, expected) => {
    expect(problemsOf(`${line}\n${smallest}`)).toEqual([expect.stringMatching(expected)]);
  });

  it('but a freeze window may go on after midnight', () => {
    const freezeWindows = [{ days: [5], fromHour: 22, toHour: 6 }];
    const { services } = load(service(`policy: { freezeWindows: ${JSON.stringify(freezeWindows)} }`));
    expect(services[0]?.policy.freezeWindows).toEqual(freezeWindows);
  });

  it('all problems at once, in the order of the file', () => {
    expect(
      problemsOf(`host: A\n${service('firstByte: 3\nlisten: here\npolicy: { mode: on }')}bogus: 1\n`),
    ).toHaveLength(5);
  });

  it('an alias bomb and a file without end', () => {
    const bomb = [
      'a: &a [x, x]',
      ...'bcdefgh'.split('').map((name, at) => {
        const before = 'abcdefgh'[at] ?? '';
        return `${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`;
      }),
    ].join('\n');
    expect(problemsOf(bomb)[0]).toMatch(/^lastgood\.yaml:1:1: not usable: Excessive alias count/);
    expect(problemsOf(`# ${'x'.repeat(1024 * 1024)}\n`)[0]).toMatch(/found 10485\d\d bytes, expected at most 1048576/);
  });

  it('a file that is not there', () => {
    expect(() => loadConfiguration(join(dir, 'none.yaml'))).toThrow(
      /none\.yaml: there is no such file; `lastgood init`/,
    );
  });

  it('a key that would reach the prototype of an object', () => {
    expect(problemsOf(`__proto__: { polluted: 1 }\n${smallest}`)[0]).toMatch(/__proto__: unknown key/);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

it('a language model names its embedder; paths start at the file, and everything else has a default', () => {
  const [chat] = load(
    service(
      'answer: { text: t }\nsamples: { share: 0.1 }\nsemantic: { embedder: { kind: onnx, directory: model }, form: { kind: json } }',
    ),
  ).services;
  expect(chat?.semantic).toEqual({
    embedder: { kind: 'onnx', directory: join(dir, 'model'), packages: null },
    windowAnswers: 100,
    baselineAnswers: 200,
    canaryEveryMs: 900_000,
    features: { form: { kind: 'json' } },
  });
  expect(load(service('samples: {}')).services[0]?.semantic).toBeNull();
});

it('a registry has the name of the model, paths start at the file, and nothing but a place for its secret', () => {
  const mlflow = 'registry: { kind: mlflow, url: "https://r.test:5000", auth: { user: lg, password: { file: pw } } }';
  expect(load(service(mlflow)).services[0]?.registry).toEqual({
    source: {
      kind: 'mlflow',
      url: 'https://r.test:5000',
      model: 'mail',
      auth: { user: 'lg', password: { file: join(dir, 'pw') } },
      caFile: null,
    },
    keep: 3,
    lookBack: 20,
    everyMs: 300_000,
    follow: [],
    writeBack: true,
    rules: {
      service: 'mail',
      engine: 'open-inference',
      model: 'mail',
      preprocessing: { text: '1' },
      evaluation: { from: 'file', file: 'evaluation.json' },
      probes: 'probes.json',
      profile: 'profile.json',
    },
  });
  const dvc =
    'registry: { kind: dvc, repository: clone, evaluation: { json: eval.json, classes: [a], accuracy: acc } }';
  expect(load(service(dvc)).services[0]?.registry).toMatchObject({
    source: { kind: 'dvc', repository: join(dir, 'clone'), artifact: 'mail', remote: null, fetch: null },
    writeBack: false,
    rules: { evaluation: { from: 'json', file: 'eval.json', names: { accuracy: 'acc', recall: 'recall_{class}' } } },
  });
  expect(load(service('samples: {}')).services[0]?.registry).toBeNull();
});

it.each([
  ['a password in the address', 'kind: mlflow, url: "http://a:b@r.test"', /registry\.url: .*see auth/],
  [
    'two secrets',
    'kind: mlflow, url: "http://r.test", auth: { token: { file: a, env: B } }',
    /exactly one of file and env/,
  ],
  [
    'figures of DVC',
    'kind: dvc, repository: c, evaluation: { classes: [a] }',
    /registry\.evaluation: .*keeps no metrics/,
  ],
  [
    'a path outside',
    'kind: dvc, repository: c, probes: ../probes.json',
    /registry\.probes: .*without \. and \.\. parts/,
  ],
  ['fewer looked at than kept', 'kind: dvc, repository: c, keep: 5, lookBack: 4', /registry\.lookBack: found 4/],
  [
    'a password over plain HTTP',
    'kind: mlflow, url: "http://r.test", auth: { user: lg, password: { file: a } }',
    /registry\.url: found http:\/\/r\.test with registry\.auth, .*expected https/,
  ],
  ['another kind', 'kind: wandb', /registry\.kind/],
])('a registry with %s is refused', (_what, text, problem) => {
  expect(problemsOf(service(`registry: { ${text} }`)).join('\n')).toMatch(problem);
});

it('the schema for editors in docs/ is the one that the code has', () => {
  const committed: unknown = JSON.parse(readFileSync(join(__dirname, '../../docs/configuration.schema.json'), 'utf8'));
  expect(committed).toEqual(configurationJsonSchema());
});

describe('the ledger in PostgreSQL', () => {
  const at = (more: string): string =>
    `ledger: { postgres: { database: lastgood, user: lastgood, ${more} } }\n${smallest}`;

  it('is in plain units, with its files beside the configuration', () => {
    const { postgres } = load(at('host: db.example, tls: { caFile: ca.pem }, passwordFile: pw')).ledger;
    expect(postgres).toEqual({
      ...{ host: 'db.example', port: 5432, database: 'lastgood', user: 'lastgood', schema: 'lastgood' },
      password: { file: join(dir, 'pw') },
      tls: { caFile: join(dir, 'ca.pem'), serverName: null },
    });
    expect(load(smallest).ledger.postgres).toBeNull();
  });

  it.each([
    ['a host elsewhere without TLS', 'host: db.example', 'expected ledger.postgres.tls'],
    ['two passwords', 'host: 127.0.0.1, passwordFile: a, passwordEnv: B', 'at most one of passwordFile'],
    ['a schema that would be a command', "host: 127.0.0.1, schema: 'a; drop'", 'lower-case letters, digits and _'],
  ])('is refused with %s', (_, more, expected) => {
    expect(problemsOf(at(more)).join()).toContain(expected);
  });
});

describe('a metric of an Alertmanager', () => {
  const metric = (more: string): string =>
    `${smallest}    metrics: { slo: { practicalMargin: 0.5, ${more}, source: { alertmanager: { url: 'http://127.0.0.1:9093', alert: Slow, labels: { model: mail }, tokenFile: t } } } }\n`;

  it('has the name of the alert among its labels and is not one that others may push', () => {
    const [declared] = load(metric('kind: rate')).services[0]?.metrics ?? [];
    expect(declared?.source).toMatchObject({ labels: { alertname: 'Slow', model: 'mail' }, tokenFile: join(dir, 't') });
    expect(declared?.policy.from).toBe('alertmanager');
  });

  it('sends its token, as the alerts theirs, over plain HTTP to this machine only', () => {
    const away = metric('kind: rate').replace('127.0.0.1:9093', 'am.test:9093');
    const sinks = (url: string, more = ''): string =>
      `alerts: { alertmanagers: [{ url: '${url}'${more} }] }\n${smallest}`;
    expect(problemsOf(away).join()).toMatch(/source\.alertmanager\.url: .*with a tokenFile.*expected https/);
    expect(problemsOf(sinks('http://am.test', ', tokenFile: t')).join()).toMatch(
      /alerts\.alertmanagers\[0\]\.url: .*a tokenFile/,
    );
    for (const text of [away.replace(', tokenFile: t', ''), sinks('http://am.test')])
      expect(() => load(text)).not.toThrow();
    expect(() => load(sinks('http://[::1]:9093', ', tokenFile: t'))).not.toThrow();
  });

  it('is a rate', () => {
    expect(problemsOf(metric('kind: mean, unit: x')).join()).toContain('expected rate: an alert fires or does not');
  });
});

describe('what goes where', () => {
  const mail = (more: string, above = ''): string => `${above}${smallest}${more.replace(/^/gm, '    ')}\n`;
  const haproxy = 'router: { kind: haproxy, directory: ha }\n';

  it('is plain HTTP and event streams where nothing is said', () => {
    expect(() => load(smallest)).not.toThrow();
    expect(problemsOf(mail('protocols: [http-json, grpc]'))).toEqual([
      expect.stringMatching(
        /^lastgood\.yaml:\d+:\d+: services\.mail\.protocols: found grpc, but gRPC needs HTTP\/2, and the gateway speaks HTTP\/1\.1 only: use HAProxy/,
      ),
    ]);
    expect(problemsOf(mail('protocols: [http3]'))[0]).toMatch(/protocols\[0\]: found "http3", expected/);
  });

  it('is wider with HAProxy, where each version has an address of its own', () => {
    const all = 'protocols: [http-json, event-stream, http2, grpc, websocket]\nlisten: 127.0.0.1:8080';
    expect(() => load(mail(all, haproxy))).not.toThrow();
  });

  it('needs TLS, and a word on who may come in, where others can reach the entrance', () => {
    const tls = 'certFile: c.pem, keyFile: k.pem';
    expect(problemsOf(mail('listen: 0.0.0.0:443'))[0]).toMatch(/mail\.listen: found 0\.0\.0\.0, .*so listenTls/);
    expect(problemsOf(mail(`listen: 0.0.0.0:443\nlistenTls: { ${tls} }`))[0]).toMatch(/listenTls: .*expected clientCaFile .*anyClient: true/); // prettier-ignore
    expect(problemsOf(mail(`listenTls: { ${tls}, clientCaFile: a.pem, anyClient: true }`))[0]).toMatch(
      /beside clientCaFile/,
    );
    const configuration = load(mail(`listen: 0.0.0.0:443\nlistenTls: { ${tls}, clientCaFile: a.pem }`));
    const config = gatewayConfigOf(configuration, runPaths(configuration.dataDir));
    expect(config.services[0]?.listenTls).toEqual({
      certFile: join(dir, 'c.pem'),
      keyFile: join(dir, 'k.pem'),
      clientCaFile: join(dir, 'a.pem'),
      anyClient: false,
    });
    expect(() => checkConfig(config, 'g.json')).not.toThrow();
    expect(gatewayConfigSchema.parse(config)).toEqual(config);
  });

  it('expects of servers at https:// that they prove themselves', () => {
    const external = (address: string): string => `
services:
  mail:
    model: mail
    serving: { runtime: external, address: '${address}', tls: { caFile: ca.pem, serverName: model.internal } }
`;
    const configuration = load(external('https://10.0.0.2:8443'));
    const [service] = gatewayConfigOf(configuration, runPaths(configuration.dataDir)).services;
    expect(service?.upstreamTls).toEqual({ caFile: join(dir, 'ca.pem'), serverName: 'model.internal' });
    expect(problemsOf(external('http://10.0.0.2:8080'))[0]).toMatch(
      /serving\.tls: found tls, but no address begins with https/,
    );
  });

  it('takes the session from a header, a cookie or a field of the body, which HAProxy does not read', () => {
    const session = (keys: string): string => `session: { ${keys} }\nlisten: 127.0.0.1:8080`;
    const every = mail(session('header: x-session-id, cookie: sid, field: metadata.session_id'));
    const configuration = load(every);
    const config = gatewayConfigOf(configuration, runPaths(configuration.dataDir));
    expect(config.services[0]).toMatchObject({
      sessionHeader: 'x-session-id',
      sessionCookie: 'sid',
      sessionField: 'metadata.session_id',
    });
    expect(gatewayConfigSchema.parse(config)).toEqual(config);
    expect(haproxyOptions(load(mail(session('cookie: sid'), haproxy)))?.services[0]).toMatchObject({
      sessionHeader: null,
      sessionCookie: 'sid',
    });
    expect(problemsOf(mail(session('field: user'), haproxy))).toEqual([
      expect.stringMatching(
        /mail\.session\.field: found user with router haproxy, which reads no bodies: expected session\.header or session\.cookie, or router gateway$/,
      ),
    ]);
    expect(problemsOf(mail(session('field: "a[0]"')))[0]).toMatch(/field: .*names joined by dots/);
    expect(problemsOf(mail(session('cookie: "a b"')))[0]).toMatch(/cookie: .*the name of a cookie/);
  });

  it('refuses a tier that keeps sessions for no time', () => {
    const policy = (keys: string): string => mail(`policy: { ${keys} }`);
    expect(problemsOf(policy('keepPinsOn: [trend, immediate]'))).toEqual([
      expect.stringMatching(/policy\.keepPinsOn: found immediate, but keepPinsAtMost\.immediate is 0/),
    ]);
    const configuration = load(policy('keepPinsOn: [immediate], keepPinsAtMost: { immediate: 10s }'));
    expect(configuration.services[0]?.policy.sessions).toMatchObject({
      keepPinsOn: ['immediate'],
      keepPinsAtMostMs: { immediate: 10_000, 'short-window': 300_000, trend: 3_600_000 },
    });
  });

  it('hands TLS on both sides and the protocols to HAProxy', () => {
    const tls = 'listen: 127.0.0.1:8443\nprotocols: [http-json, http2]\nlistenTls: { certFile: c.pem, keyFile: k.pem }';
    const [service] = haproxyOptions(load(mail(tls, haproxy)))?.services ?? [];
    expect(service?.protocols).toEqual(['http-json', 'http2']);
    expect(service?.tls).toMatchObject({ certFile: join(dir, 'c.pem'), clientCaFile: null });
  });
});

describe('a service whose memory holds one copy', () => {
  const swap = (policy: string): string => `${smallest}    policy: { swap: stop-first, ${policy} }\n`;

  it('has no standby, no fallback and one copy, whatever the defaults are', () => {
    const [one] = load(swap('gapMax: 8m')).services;
    expect(one?.policy).toMatchObject({
      swap: { how: 'stop-first', gapMaxMs: 480_000 },
      copiesLoadedMax: 1,
      standby: { keepWarm: false, asFallback: false },
    });
    expect(load(smallest).services[0]?.policy).not.toHaveProperty('swap');
  });

  it('is refused a promise that a load within its limits would break, and a router that cannot tell a gap', () => {
    expect(problemsOf(swap('gapMax: 1m')).join()).toMatch(/policy\.gapMax: .*shorter than steps\.load/);
    const haproxy = `router: { kind: haproxy, directory: ha }\n${swap('gapMax: 8m')}`;
    expect(problemsOf(haproxy).join()).toMatch(/policy\.swap: .*stop-first with router haproxy/);
  });
});
