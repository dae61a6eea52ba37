/**
 * What the tests do with each command of the documents. A new command in a page fails `test/unit/documented-commands` until
 * it stands in one of these lists: in `session` when one installation can run it, else in `onlyParsed` with the reason.
 */
export interface SessionStep {
  /** Text of the documents, as it stands there (without its comment). */
  readonly text: string;
  /** What is typed instead, where the text has a placeholder; `$NAME` are values of the installation. */
  readonly typed?: string;
  /** Exit codes that the page promises here; else 0. */
  readonly exits?: readonly number[];
  /** What must be there first; the test knows how. */
  readonly first?: 'configuration' | 'up' | 'traffic' | 'measured' | 'report.json' | 'policy.yaml' | 'requests.jsonl';
}

const anyCondition = [0, 1, 3, 4];

/** A rollback by a signed call, as docs/api.md has it, line by line. */
const signedCall: readonly string[] = [
  'id=msg_$(date +%s%N); at=$(date +%s)',
  `body='{"type":"rollback","reason":"the release lost orders"}'`,
  `key=$(printf %s "\${PIPELINE_SECRET#whsec_}" | base64 -d | od -An -vtx1 | tr -d ' \\n')`,
  'signature=$(printf %s "$id.$at.$body" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)',
  `curl -H 'content-type: application/json' -H "webhook-id: $id" -H "webhook-timestamp: $at" -H "webhook-signature: v1,$signature" -d "$body" http://127.0.0.1:7780/v1/services/mail-triage/webhooks/rollback`,
];

/** Run in this order against one `lastgood up`. */
export const session: readonly SessionStep[] = [
  // From an endpoint that already runs to its configuration.
  {
    text: 'lastgood init --url http://127.0.0.1:8000 --model my-model',
    typed: 'lastgood init --url $URL --model my-model',
  },
  {
    text: 'lastgood init --url http://host:port',
    typed: 'lastgood init --url $URL --model my-model --config other.yaml',
  },
  { text: 'lastgood validate' },
  { text: 'lastgood --version' },
  // Secrets, before anything runs.
  { text: 'printf \'whsec_%s\\n\' "$(head -c 32 /dev/urandom | base64)" > webhook.secret && chmod 600 webhook.secret' },
  { text: 'openssl rand -hex 32' },
  { text: 'openssl genpkey -algorithm ed25519 -out key.pem' },
  { text: 'lastgood token make', typed: 'lastgood token make --name ci --role viewer' },
  // Versions, as step 2 of getting started has them.
  {
    first: 'configuration',
    text: 'lastgood artifacts manifest versions/1.2 --service my-service --version 1.2 --model my-model --dry-run',
  },
  { text: 'lastgood artifacts manifest versions/1.2 --service my-service --version 1.2 --model my-model' },
  { text: 'lastgood artifacts import versions/1.2 --dry-run' },
  // Imported before the live one, it is a way back.
  { text: 'lastgood artifacts import', typed: 'lastgood artifacts import versions/1.1' },
  { text: 'lastgood artifacts import versions/1.2' },
  { text: 'lastgood artifacts list' },
  {
    first: 'requests.jsonl',
    text: 'lastgood artifacts profile requests.jsonl --out DIR/profile.json',
    typed: 'lastgood artifacts profile requests.jsonl --out profile.json',
  },
  { text: 'lastgood artifacts verify', typed: 'lastgood artifacts verify my-service@1.2' },
  { first: 'up', text: 'lastgood up', typed: 'true' },
  { text: 'lastgood whoami' },
  { text: 'lastgood proposals' },
  { text: "lastgood deploy my-service@1.2 --dry-run --reason 'see the plan'" },
  { text: "lastgood deploy my-service@1.2 --wait --reason 'what runs today'" },
  { text: "lastgood vouch my-service@1.2 --reason 'in production since March'" },
  { text: 'lastgood status', exits: anyCondition },
  { text: 'lastgood status -w', typed: 'lastgood status -w --timeout 1s', exits: anyCondition },
  { text: 'lastgood doctor', exits: [0, 1] },
  { first: 'traffic', text: 'lastgood which REQUEST-ID', typed: 'lastgood which $REQUEST' },
  { text: 'lastgood which', typed: "lastgood which --service my-service --at '1s ago'" },
  {
    text: `curl -s --unix-socket .lastgood/run/api.sock http://local/v1/services/my-service/feedback -H 'content-type: application/json' -d '{"items":[{"requestId":"…","label":"spam","observedAt":"2026-11-23T10:05:00Z","source":"moderation"}]}'`,
    typed: `curl -sf --unix-socket $SOCKET http://local/v1/services/my-service/feedback -H 'content-type: application/json' -d '{"items":[{"requestId":"$REQUEST","label":"spam","observedAt":"2026-11-23T10:05:00Z","source":"moderation"}]}' | grep '"accepted":1'`,
  },
  {
    text: `curl -s --unix-socket .lastgood/run/api.sock http://local/v1/services/my-service/observations -H 'content-type: application/json' -d '{"key":"eval-4711","items":[{"metric":"groundedness","value":81.5,"at":"2026-05-01T12:00:00Z","n":200}]}'`,
    typed: `curl -sf --unix-socket $SOCKET http://local/v1/services/my-service/observations -H 'content-type: application/json' -d '{"key":"eval-4711","items":[{"metric":"groundedness","value":81.5,"at":"2026-05-01T12:00:00Z","n":200}]}'`,
  },
  {
    first: 'report.json',
    text: "curl -s --unix-socket .lastgood/run/api.sock 'http://local/v1/services/my-service/reports/evidently?at=2026-05-01T12:00:00Z' -H 'content-type: application/json' -d @report.json",
    typed:
      "curl -sf --unix-socket $SOCKET 'http://local/v1/services/my-service/reports/evidently?at=2026-05-01T12:00:00Z' -H 'content-type: application/json' -d @report.json",
  },
  { text: "lastgood mode confirm --reason 'a week of observe, no false verdict'" },
  { text: "lastgood mode act --reason 'two proposals, both right'" },
  { text: 'lastgood mode', typed: "lastgood mode observe --dry-run --reason 'again'" },
  { text: "lastgood pause --for 30m --reason 'maintenance of the label store'" },
  { text: 'lastgood pause', typed: "lastgood pause my-service --for 1m --reason 'again'" },
  { text: "lastgood resume SERVICE --reason '…'" },
  // A second version, the way back, and what is on record of it.
  {
    first: 'measured',
    text: 'lastgood gate mail-triage@1.3 && lastgood deploy mail-triage@1.3 --wait --reason "build $BUILD"',
    typed:
      'lastgood artifacts import versions/1.3 && lastgood gate my-service@1.3 && lastgood deploy my-service@1.3 --wait --reason "build $BUILD"',
  },
  { text: 'lastgood deploy', typed: "lastgood deploy my-service@1.2 --dry-run --reason '…'" },
  { text: "lastgood rollback SERVICE --reason '…'", typed: "lastgood rollback my-service --wait --reason '…'" },
  { text: 'lastgood rollback', typed: "lastgood rollback --dry-run --reason '…'", exits: [0, 1] },
  { text: 'lastgood explain' },
  // A rollback by hand makes no incident, so there is nothing to report; test/unit/cli/report has one.
  { text: 'lastgood report', typed: 'lastgood report --format md', exits: [1] },
  { text: 'lastgood incidents', typed: 'lastgood incidents' },
  { text: 'lastgood history' },
  { text: 'lastgood history SERVICE' },
  { text: 'lastgood history SERVICE --all' },
  { text: 'lastgood exposure' },
  { text: 'lastgood quarantine list', typed: 'lastgood quarantine list' },
  { text: 'lastgood quarantine clear', typed: "lastgood quarantine clear my-service@1.3 --reason '…'" },
  { text: "lastgood deploy SERVICE@VERSION --reason '…'", typed: "lastgood deploy my-service@1.3 --wait --reason '…'" },
  {
    text: "lastgood rollback SERVICE --to VERSION --reason '…'",
    typed: "lastgood rollback my-service --to 1.2 --wait --reason '…'",
  },
  { text: 'lastgood revoke', typed: "lastgood revoke my-service@1.3 --reason '…'" },
  { text: 'lastgood audit verify' },
  { text: 'lastgood audit export', typed: 'lastgood audit export --from "1h ago" --key key.pem --out bundle' },
  { text: 'lastgood audit verify --bundle', typed: 'lastgood audit verify --bundle bundle' },
  { text: 'lastgood watch', typed: 'lastgood watch --timeout 1s', exits: anyCondition },
  // The interface as the page of it calls it.
  {
    text: 'curl --unix-socket .lastgood/run/api.sock http://lastgood/v1/services',
    typed: "curl -sf --unix-socket $SOCKET http://lastgood/v1/services | grep -F 'my-service'",
  },
  {
    text: 'curl -H "authorization: Bearer $(cat .lastgood/api.token)" http://127.0.0.1:7780/v1/services/mail-triage',
    typed:
      'curl -sf -H "authorization: Bearer $(cat .lastgood/api.token)" $API/v1/services/my-service | grep -F \'"status"\'',
  },
  {
    text: 'curl -N --unix-socket .lastgood/run/api.sock http://lastgood/v1/services/mail-triage/events',
    typed:
      "{ curl -sN --max-time 3 --unix-socket $SOCKET http://lastgood/v1/services/my-service/events || true; } | grep -m 1 '^event: status'",
  },
  {
    text: signedCall.at(-1) ?? '',
    typed: [
      'PIPELINE_SECRET=$(cat webhook.secret)',
      ...signedCall.slice(0, -1).map((line) => line.replace('"reason":', '"dryRun":true,"reason":')),
      'curl -s -o said.json -w \'%{http_code}\\n\' -H \'content-type: application/json\' -H "webhook-id: $id" -H "webhook-timestamp: $at" -H "webhook-signature: v1,$signature" -d "$body" $API/v1/services/my-service/webhooks/rollback | grep -E \'200|409\'',
    ].join('; '),
  },
  // One archive; the way back with it is test/system/backup-restore.
  { text: 'lastgood backup --out /var/backups', typed: 'lastgood backup --out .' },
  {
    text: 'lastgood backup --out /var/backups/x.tar.gz --with-artifacts',
    typed: 'lastgood backup --out x.tar.gz --with-artifacts',
  },
  { text: 'lastgood backup verify /var/backups/x.tar.gz', typed: 'lastgood backup verify x.tar.gz' },
  // Nothing was restored here.
  { text: 'lastgood restore differences', exits: [1] },
  {
    text: "lastgood restore accept SERVICE --reason '…'",
    typed: "lastgood restore accept my-service --reason '…'",
    exits: [1],
  },
  {
    text: "lastgood detach SERVICE --reason '…'",
    typed: "lastgood detach my-service --dry-run --reason '…'",
    exits: [0, 1],
  },
  { text: "lastgood attach SERVICE --reason '…'", typed: "lastgood attach my-service --reason '…'", exits: [1] },
  { text: 'lastgood caches [SERVICE]', typed: 'lastgood caches my-service' },
  { text: 'lastgood caches SERVICE', typed: 'lastgood caches my-service' },
  {
    text: "lastgood caches invalidate SERVICE [CACHE] --reason '…'",
    typed: "lastgood caches invalidate my-service --reason '…'",
  },
  {
    text: "lastgood caches invalidate SERVICE CACHE --reason '…'",
    typed: "lastgood caches invalidate my-service answers --reason '…'",
  },
  // A policy against the record of this session: nothing would have been rolled back, or nothing could be judged.
  {
    first: 'policy.yaml',
    text: 'lastgood replay --policy FILE',
    typed: 'lastgood replay --policy policy.yaml',
    exits: [0, 3],
  },
  {
    text: 'lastgood replay --policy new.yaml --from "7d ago"',
    typed: 'lastgood replay --policy policy.yaml --from "7d ago"',
    exits: [0, 3],
  },
  { text: 'lastgood replay', typed: 'lastgood replay --from "1h ago"', exits: [0, 3] },
  // What is refused when nothing waits, and says so.
  { text: "lastgood approve INCIDENT --reason '…'", typed: "lastgood approve 20990101-1 --reason '…'", exits: [1] },
  {
    text: "lastgood intervene INCIDENT retry --reason '…'",
    typed: "lastgood intervene 20990101-1 retry --reason '…'",
    exits: [1],
  },
  {
    text: "lastgood intervene ID retry --reason '…'",
    typed: "lastgood intervene 20990101-1 accept --reason '…'",
    exits: [1],
  },
  {
    text: "lastgood breaker clear SERVICE --epoch N --reason '…'",
    typed: "lastgood breaker clear my-service --epoch 1 --reason '…'",
    exits: [1],
  },
  { text: "lastgood cancel --reason '…'", exits: [1] },
  {
    text: "lastgood intervene ID choose --target VERSION --reason '…'",
    typed: "lastgood intervene 20990101-1 choose --target 1.2 --reason '…'",
    exits: [1],
  },
  {
    text: "lastgood intervene ID accept --reason '…'",
    typed: "lastgood intervene 20990101-1 accept --reason '…'",
    exits: [1],
  },
  {
    text: "lastgood intervene ID abort --reason '…'",
    typed: "lastgood intervene 20990101-1 abort --reason '…'",
    exits: [1],
  },
  {
    text: "lastgood items sign-off SERVICE INCIDENT --reason '…'",
    typed: "lastgood items sign-off my-service 20990101-1 --reason '…'",
    exits: [1],
  },
  {
    text: "lastgood drill run SERVICE --wrong 30% --reason '…'",
    typed: "lastgood drill run my-service --wrong 30% --dry-run --reason '…'",
    exits: [0, 1],
  },
  { text: "lastgood mode act --reason '…'", typed: "lastgood mode act --dry-run --reason '…'", exits: [0, 1] },
  { text: "lastgood mode observe --reason '…'", typed: "lastgood mode observe --dry-run --reason '…'", exits: [0, 1] },
  { text: "lastgood mode confirm --reason '…'", typed: "lastgood mode confirm --dry-run --reason '…'", exits: [0, 1] },
  { text: 'lastgood second ID', typed: "lastgood second 1 --reason '…'", exits: [64] },
  // Drills and experiments: their lists, and what they say before the first one.
  {
    text: "lastgood drill run mail-triage --wrong 30% --wait --reason 'monthly'",
    typed: "lastgood drill run my-service --wrong 30% --dry-run --reason 'monthly'",
    exits: [0, 1],
  },
  {
    text: "lastgood drill schedule mail-triage --every 7d --wrong 30% --reason 'weekly'",
    typed: "lastgood drill schedule my-service --every 7d --wrong 30% --reason 'weekly'",
  },
  { text: 'lastgood drill list' },
  { text: 'lastgood drill show', exits: [1] },
  { text: 'lastgood drill compare', exits: [1] },
  { text: 'lastgood chaos list' },
  { text: 'lastgood chaos show killed-mid-swap' },
  { text: 'lastgood chaos abort' },
  { text: 'lastgood items list SERVICE', exits: [0, 1] },
  { text: 'lastgood artifacts prune', typed: "lastgood artifacts prune my-service --dry-run --reason '…'" },
];

/** Read by the real parser, or looked for in the checkout, and not run; the reason first. */
export const onlyParsed: Readonly<Record<string, readonly string[]>> = {
  'what the test itself is started by, or minutes of work': [
    'npm ci && npm start',
    'npm ci && npm test',
    'npm ci',
    'npm start',
    'npm start -- --seed N',
    'npm test',
    'npm run test:system',
    'npm run test:unit',
    'npm run test:workflows',
    'npm run test:replay',
    'npm run test:adapters',
    'npm run test:system -- test/system/bundle',
    'npm run test:upgrade',
    'npm run typecheck',
    'npm run lint',
    'npm run format:check',
    'bash .ci/run',
    'bash scripts/test-deps/all.sh',
    'npx jest test/unit/configuration.test.ts --runInBand',
    'npx jest test/unit/detection/confidence-assessment',
    'npm run -s bench -- NAME',
    'npm run -s bench -- NAME [--seed N] [--json] [options of the benchmark]',
    'npm run -s bench -- chaos [--experiments LIST] [--steps LIST] [--repeat N] [--out FILE]',
    'npm run -s bench -- calibration --data DIR',
    'npm run -s bench -- detection-cost',
  ],
  'downloads gigabytes, or builds for many minutes': [
    'npm run test:kubernetes',
    'npm run test:vllm',
    'npm install --prefix DIR --ignore-scripts onnxruntime-node@1.30.0 @huggingface/tokenizers@0.2.0',
  ],
  'test/system/migration walks this way with a real nginx': [
    'curl -s http://127.0.0.1:8080/v1/models',
    'nginx -t && nginx -s reload',
    'lastgood init --url http://127.0.0.1:8000 --model mail-triage',
  ],
  'the same act on another service or version, which the session runs': [
    "lastgood deploy my-model@may --wait --reason 'what runs today'",
    "lastgood vouch my-model@may --reason 'in production since May'",
    "lastgood rollback my-model --reason '…'",
    "lastgood deploy mail-triage@1.2 --wait --reason 'what runs today'",
  ],
  'the session calls lastgood by a function of that name': ['alias lastgood="node $PWD/dist/cli/lastgood.js"'],
  'changes the machine, or needs a Docker engine with the pinned images: run nowhere (test/unit/compose and systemd read those files)':
    [
      'cp deploy/compose/lastgood.yaml lastgood.yaml',
      'openssl rand -hex 24 | install -m 600 -o 1000 /dev/stdin deploy/compose/postgres.password',
      'docker compose up -d --build',
      'docker compose exec lastgood node dist/cli/lastgood.js status --config /etc/lastgood/lastgood.yaml',
      'docker compose exec lastgood node dist/cli/lastgood.js doctor --config /etc/lastgood/lastgood.yaml',
      'docker compose stop lastgood controller-2',
      'docker compose exec lastgood node dist/cli/lastgood.js backup --out /var/lib/lastgood/lastgood.tar.gz --config /etc/lastgood/lastgood.yaml',
      'docker compose cp lastgood:/var/lib/lastgood/lastgood.tar.gz /var/backups/',
      "echo 'LASTGOOD_POSTGRES_PASSWORD_FILE=./deploy/compose/postgres.password' >.env",
      'docker save',
      'docker pause',
      'docker container prune',
      'docker ps --filter label=lastgood.service=NAME',
      'useradd --system --home-dir /var/lib/lastgood lastgood',
      'install -d /etc/lastgood && install -m 644 /opt/lastgood/current/deploy/systemd/lastgood.yaml /etc/lastgood/lastgood.yaml',
      'install -m 644 /opt/lastgood/current/deploy/systemd/*.service /etc/systemd/system/',
      'systemctl kill --kill-who=main -s USR2 lastgood',
      'systemctl restart lastgood-controller-two',
      'systemctl daemon-reload && systemctl enable --now lastgood',
      'systemctl reload',
      'nginx -s reload',
    ],
  'test/system/gateway, several-hosts and kill-parts start these processes': [
    'node dist/gateway/main.js --config gateway.json',
    'node dist/workers/main.js host --config lastgood.yaml --host b',
  ],
  'writes a file of the repository; test/unit/configuration and configuration-reference compare it': [
    'node dist/workers/configuration/write-reference.js docs/configuration-reference.md',
    'node dist/workers/configuration/write-json-schema.js',
    'node dist/api/openapi/write-document.js docs/openapi.json',
    'node dist/api/openapi/write-document.js',
  ],
  'lines of the call that the session makes': signedCall.slice(0, -1),
  'test/system/bundle makes one, installs it and runs it without a network': [
    'lastgood bundle --out lastgood.tar',
    'sha256sum -c lastgood.tar.sha256',
    'tar -xf lastgood.tar',
    './lastgood-*/install.sh /opt/lastgood',
    '/opt/lastgood/bin/lastgood --version',
  ],
  'test/system/two-controllers starts a second controller': [
    'node /opt/lastgood/current/dist/workers/main.js controller --config /etc/lastgood/lastgood.yaml --name two --listen 127.0.0.1:7782',
  ],
  'test/system/backup-restore restores into an empty place': [
    "lastgood restore /var/backups/x.tar.gz --data /var/lib/lastgood --config lastgood.yaml --reason 'the disk died'",
    'lastgood up --config lastgood.yaml',
  ],
  'test/system/chaos runs it, with its proofs': [
    'lastgood chaos',
    'lastgood chaos run',
    "lastgood chaos run killed-mid-swap --reason 'before the release'",
  ],
  'serves until it is ended: test/unit/cli/json has it refuse an unknown registry, test/adapters/faults-local runs the proxy itself':
    ['lastgood chaos proxy NAME --listen 127.0.0.1:5001 --to HOST:PORT'],
  'test/system/drill makes such a drill over the API, with traffic and the minutes that it takes': [
    "lastgood drill run mail-triage --added 500ms --live --share 2% --for 3m --reason '…'",
    'lastgood drill run --live',
  ],
  'no test has it on a whole installation: test/workflows/drill has a version of its own, test/system/gateway/drill recorded inputs':
    ["lastgood drill run mail-triage --version 1.6 --replay --reason '…'"],
  'needs HAProxy as the router: test/adapters/haproxy-installation and test/system/haproxy': [
    'lastgood haproxy config --write',
  ],
  'one action of `intervene` at a time; the others of it are in the session': [
    'lastgood intervene INCIDENT retry|accept|abort',
  ],
  'the same file as of `lastgood up`; test/system/up starts it with a policy': ['lastgood up --policy FILE'],
  'a tool of others: test/adapters/artifact-signature runs it': [
    'model_signing sign key versions/1.2 --signature versions/1.2/model.sig --private_key release.key',
  ],
  'the same as for my-service, which the session runs': [
    'lastgood artifacts manifest versions/1.2 --service s --version 1.2 --model m',
    'lastgood artifacts manifest',
  ],
};

/** Verbs that the session does not run, by the test that does. */
export const verbsElsewhere: Readonly<Record<string, string>> = {
  'chaos run': 'test/system/chaos.test.ts',
  'chaos proxy': 'test/unit/cli/json.test.ts',
  bundle: 'test/system/bundle.test.ts',
  'restore from': 'test/system/backup-restore.test.ts',
  'haproxy config': 'test/adapters/haproxy-installation.test.ts',
  'items show': 'test/adapters/api.test.ts',
  'items retry': 'test/adapters/api.test.ts',
  'items skip': 'test/adapters/api.test.ts',
  'artifacts sync': 'test/unit/cli/registry.test.ts',
  'artifacts pull': 'test/unit/cli/registry.test.ts',
};
