/** What the systems beside lastgood answer when all is well, as far as it is read. */
const digest = `sha256:${'0'.repeat(64)}`;
const counts = {
  kind: 'counts',
  seq: 1,
  fromMs: 1,
  toMs: 2,
  version: '1.0',
  epoch: 1,
  cohort: 'live',
  requests: 1,
  failures: 0,
  timeouts: 0,
  clientErrors: 0,
  malformed: 0,
  repeated: 0,
  cut: 0,
  latency: null,
  predicted: { spam: 1 },
  scoreSum: 0.9,
  scoreCount: 1,
  labels: {},
};
const record = {
  service: 'mail',
  epoch: 1,
  primary: '1.0',
  pins: [],
  backends: { '1.0': [{ address: 'http://127.0.0.1:1', instance: 'mail@1.0#a', digest }] },
};

export const goodAnswers = {
  openInference: [
    { name: 'mail', versions: ['1'], platform: 'x', inputs: [], outputs: [], parameters: { digest, version: '1.2' } },
    {
      model_name: 'mail',
      model_version: '1',
      outputs: [
        { name: 'label', shape: [1], datatype: 'BYTES', data: ['spam'] },
        { name: 'score', shape: [1], datatype: 'FP32', data: [0.9] },
        { name: 'token_ids', data: [1, 2] },
      ],
    },
    { ready: true, live: true },
  ],
  openAi: [
    {
      object: 'list',
      data: [{ id: 'mail', object: 'model', root: `/a/${'0'.repeat(64)}`, parent: null, max_model_len: 10 }],
    },
    {
      id: 'x',
      choices: [
        {
          index: 0,
          text: 'spam',
          message: { role: 'assistant', content: 'spam' },
          finish_reason: 'stop',
          logprobs: null,
        },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 1 },
    },
    { count: 2, max_model_len: 10, tokens: [1, 2] },
  ],
  vllm: [{ is_sleeping: false }, { version: '0.9' }],
  tgi: [
    { model_id: `/a/${'0'.repeat(64)}`, model_sha: 'abc', version: '3', max_concurrent_requests: 4 },
    [{ id: 1, text: 'a', start: 0, stop: 1 }],
  ],
  triton: [
    { name: 'triton', version: '2', extensions: ['model_repository'] },
    [{ name: 'mail', version: '1', state: 'READY', reason: '' }],
  ],
  prometheus: [
    {
      status: 'success',
      data: {
        resultType: 'matrix',
        result: [
          {
            metric: { job: 'x' },
            values: [
              [1_005, '2'],
              [1_020, 'NaN'],
            ],
          },
        ],
      },
    },
    { status: 'success', data: { resultType: 'vector', result: [{ metric: {}, value: [1_005, '2'] }] } },
    { status: 'error', errorType: 'bad_data', error: 'x' },
  ],
  alertmanager: [
    [
      {
        labels: { alertname: 'x', job: 'y' },
        annotations: {},
        status: { state: 'active', silencedBy: [], inhibitedBy: [] },
        startsAt: '2026-01-01T00:00:00Z',
      },
    ],
  ],
  mlflow: [
    { registered_model: { name: 'mail', aliases: [{ alias: 'champion', version: '1' }] } },
    {
      model_versions: [
        {
          name: 'mail',
          version: '1',
          creation_timestamp: 1,
          current_stage: 'None',
          source: 'models:/m-1',
          run_id: 'r',
          status: 'READY',
          tags: [{ key: 'a', value: 'b' }],
        },
      ],
      next_page_token: '',
    },
    { artifact_uri: 'mlflow-artifacts:/1/models/m-1/artifacts' },
    {
      root_uri: 'x',
      files: [
        { path: 'weights.safetensors', is_dir: false, file_size: 12 },
        { path: 'sub', is_dir: true },
      ],
    },
    {
      registered_model: { name: 'mail', aliases: [] },
      model_versions: [],
      artifact_uri: 'mlflow-artifacts:/1/r/artifacts',
      files: [],
    },
  ],
  embeddings: [
    {
      object: 'list',
      data: [
        { index: 0, embedding: [0.6, 0.8] },
        { index: 1, embedding: [1, 0] },
      ],
      model: 'e',
    },
  ],
  gateway: [
    {
      service: 'mail',
      record,
      floor: 0,
      inForceSince: 1,
      fallback: null,
      inFlight: { '1.0': 1 },
      pinned: { '1.0': { sessions: 1, lastEndsAt: 2 } },
      lastSeq: 3,
    },
    { applied: true, epoch: 1, persistedAt: 1 },
    { applied: false, why: 'stale-epoch', epoch: 1, floor: 0, detail: 'd' },
    { floor: 3 },
    {
      ok: true,
      pid: 1,
      startedAt: 1,
      address: { mail: 'http://127.0.0.1:1' },
      probeAddress: {},
      probeTokenFile: '/nowhere',
    },
    { rows: [counts] },
    counts,
    {
      known: true,
      answer: {
        at: 1,
        id: 'x',
        service: 'mail',
        version: '1.0',
        digest,
        instance: 'i',
        epoch: 1,
        reason: 'primary',
        status: 200,
        ms: 1,
        class: null,
        score: null,
      },
    },
    { known: false, why: 'w', gaps: [] },
    {
      samples: [
        {
          requestId: 'r',
          atMs: 1,
          version: '1.0',
          path: '/',
          contentType: 'application/json',
          body: '{}',
          predicted: null,
          score: null,
          label: null,
        },
      ],
    },
    { values: [{ seq: 1, atMs: 1, value: 2, n: null }] },
  ],
  docker: [
    {
      ServerVersion: '27',
      LiveRestoreEnabled: true,
      MemoryLimit: true,
      DockerRootDir: '/var/lib/docker',
      SecurityOptions: ['name=rootless'],
      Runtimes: { runc: {} },
      Warnings: [],
    },
    [
      {
        Id: 'a'.repeat(64),
        Names: ['/lastgood'],
        Image: digest,
        ImageID: digest,
        Labels: { 'lastgood.owner': 'x' },
        State: 'running',
        Status: 'Up',
        Ports: [],
      },
    ],
    {
      Id: 'a'.repeat(64),
      Name: '/x',
      Image: digest,
      Created: '2026-01-01T00:00:00Z',
      State: {
        Status: 'running',
        OOMKilled: false,
        ExitCode: 0,
        Error: '',
        StartedAt: '2026-01-01T00:00:00Z',
        FinishedAt: '0001-01-01T00:00:00Z',
      },
      Config: { Labels: { a: 'b' }, Tty: false },
      HostConfig: { NetworkMode: 'bridge', Memory: 0 },
      NetworkSettings: { Ports: { '8000/tcp': [{ HostIp: '127.0.0.1', HostPort: '40000' }] } },
    },
    { message: 'no such container' },
  ],
  exposition:
    '# HELP vllm:num_requests_running x\n# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{model_name="mail",engine="0"} 1.0\nvllm:num_requests_waiting{model_name="mail"} 2\ntgi_batch_current_size 3\ntgi_queue_size 0\n# TYPE x histogram\nx_bucket{le="0.1"} 1\nx_bucket{le="+Inf"} 2\nx_sum 3\nx_count 2\n',
} as const;
