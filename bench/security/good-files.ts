/** One of each thing that can be written, so that a change meets every part of the schemas. */
const process = {
  runtime: 'process',
  engine: 'open-inference',
  command: ['node', 'server.js', '--artifact', '{artifact}', '--report', '{report}'],
  env: { A: 'b' },
  memoryLimit: '1GiB',
  startLimit: '30s',
};

export const goodConfigurations: readonly unknown[] = [
  {
    dataDir: 'data',
    host: 'local',
    temporal: {
      address: '127.0.0.1:7233',
      namespace: 'lastgood',
      tls: { serverName: 'x', caFile: 'ca.pem' },
      encryption: { keys: [{ id: 'k1', file: 'k1' }] },
    },
    api: {
      listen: '127.0.0.1:0',
      identity: {
        tokensFile: 'tokens.yaml',
        oidc: {
          issuer: 'https://issuer.example',
          audience: 'lastgood',
          keysFile: 'keys.json',
          nameClaim: 'email',
          rolesClaim: 'realm_access.roles',
          roles: { ops: ['operator'] },
        },
      },
    },
    gateway: {
      metrics: '127.0.0.1:0',
      blindWebhook: { url: 'http://127.0.0.1:9/x', after: '15s' },
      lease: '500ms',
      hold: '1s',
    },
    artifacts: { directory: 'artifacts', allowFormats: ['pickle'] },
    ledger: { anchorFile: 'anchors.jsonl' },
    alerts: { terminal: false, webhooks: [{ url: 'http://127.0.0.1:9/hook', secretFile: 'secret' }] },
    operators: { unverified: 'refuse' },
    services: {
      mail: {
        listen: '127.0.0.1:0',
        model: 'mail',
        serving: process,
        session: { header: 'x-session-id', cookie: 'sid', field: 'user', maxLifetime: '1h' },
        answer: { class: 'outputs[name=label].data[0]', score: 'outputs[name=score].data[0]', text: 'choices[0].text' },
        samples: { share: 0.01, maxCount: 100, maxAge: '1d', redact: ['email'] },
        firstByte: '1s',
        requestMax: '10s',
        repeatable: true,
        replayLimit: '64KiB',
        feedbackHorizon: '1d',
        external: { features: { url: 'http://127.0.0.1:9/{version}', path: 'version' } },
        dependencies: ['http://127.0.0.1:9/health'],
        chaos: 'ask',
        metrics: {
          groundedness: { kind: 'mean', unit: 'points', direction: 'down', practicalMargin: 3 },
          wait: {
            kind: 'quantile',
            unit: 'ms',
            practicalMargin: 50,
            source: { prometheus: { url: 'http://127.0.0.1:9', query: 'max(wait)', every: '15s' } },
          },
          drift: {
            kind: 'distribution',
            practicalMargin: 3,
            window: '12h',
            source: { report: 'evidently', column: 'age', method: 'K-S p_value' },
          },
        },
        policy: {
          mode: 'act',
          cooldown: '30m',
          breaker: { consecutiveRollbacks: 2, calm: '24h' },
          steps: { load: '1m', stopGrace: '10s' },
          verify: { goodAnswers: 20, max: '1m' },
          standby: { keepWarm: true, proofEvery: '10s', proofMaxAge: '30s' },
          approval: { tiers: ['trend'], timeout: '1h', onTimeout: 'hold' },
          gradual: { stages: [0.1, 0.5], stage: '5m' },
          regulated: true,
          detection: { falseAlarmDays: 30, metrics: { 'error-rate': { hard: true, assumed: 0.01 } } },
        },
      },
    },
  },
  {
    router: { kind: 'haproxy', directory: 'haproxy' },
    services: {
      a: {
        listen: '127.0.0.1:8080',
        model: 'a',
        serving: {
          runtime: 'external',
          engine: 'plain-http',
          versions: { '1.0': 'http://127.0.0.1:1', '1.1': 'http://127.0.0.1:2' },
          http: { ready: '/health', infer: '/predict', outputs: { label: 'label' } },
        },
      },
      b: {
        listen: '127.0.0.1:8081',
        model: 'b',
        serving: {
          runtime: 'docker',
          image: `sha256:${'a'.repeat(64)}`,
          command: ['--port', '{port}'],
          port: 8000,
          memoryLimit: '8GiB',
          gpus: 1,
          env: { X: 'y' },
        },
      },
    },
  },
  {
    services: {
      chat: {
        model: 'chat',
        serving: { runtime: 'vllm-adapters', address: 'http://127.0.0.1:8000', adapter: 'lora', maxAdapters: 4 },
        answer: { text: 'choices[0].message.content' },
        samples: { share: 1 },
        semantic: {
          embedder: { kind: 'hashed' },
          windowAnswers: 50,
          baselineAnswers: 100,
          form: { kind: 'pattern', pattern: '^a' },
          refusals: ['I cannot'],
        },
        registry: {
          kind: 'mlflow',
          url: 'http://127.0.0.1:5000',
          model: 'chat',
          follow: ['champion'],
          evaluation: { classes: ['ham', 'spam'], accuracy: 'accuracy' },
          auth: { user: 'u', password: { file: 'p' } },
        },
      },
      tri: {
        model: 'tri',
        serving: {
          runtime: 'triton',
          address: 'http://127.0.0.1:8000',
          metricsPort: 8002,
          repository: '/srv/triton/models',
        },
      },
    },
  },
];

export const goodGateway: unknown = {
  dataDir: '/tmp/x',
  control: { socket: '/tmp/x/control.sock' },
  metrics: { host: '127.0.0.1', port: 0 },
  peers: [{ name: 'two', control: { url: 'https://two.example:1', tokenFile: '/t' } }],
  leaseMs: 1_000,
  blindWebhook: { url: 'http://127.0.0.1:1/x', afterMs: 15_000 },
  services: [
    {
      name: 'mail',
      listen: { host: '127.0.0.1', port: 0 },
      sessionHeader: 'x-session-id',
      sessionMaxMs: 60_000,
      firstByteMs: 1_000,
      requestMaxMs: 10_000,
      repeatable: true,
      replayLimitBytes: 65_536,
      answer: { classPath: 'outputs[name=label].data[0]' },
      samples: { share: 0.5, maxCount: 100, maxAgeMs: 86_400_000, redactFields: ['email'] },
      feedbackHorizonMs: 86_400_000,
      answerRetentionDays: 90,
      pushed: [{ metric: 'clicks', min: 0, max: 1 }],
    },
  ],
};

export const goodTokens: unknown = {
  tokens: [
    { name: 'alice', sha256: 'a'.repeat(64), expires: '2030-01-01T00:00:00Z', roles: ['operator'], services: ['mail'] },
    {
      name: 'labels',
      sha256: 'b'.repeat(64),
      expires: '2030-01-01T00:00:00Z',
      observes: { service: 'mail', metrics: ['labels'] },
    },
  ],
};

export const goodExperiment: unknown = {
  schema: 1,
  name: 'x',
  why: 'y',
  service: 'mail',
  users: { perSecond: 20 },
  trigger: { kind: 'manual-rollback', to: 'cold' },
  at: 'load',
  fault: { kind: 'fill-disk', where: 'data', atMost: '64MiB', keepFree: '1GiB' },
  expect: { outcome: 'settled', primary: 'target' },
};
