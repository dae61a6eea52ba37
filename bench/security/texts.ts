import fc from 'fast-check';
import { parseExposition } from '../../adapters/environment/exporters/exposition';
import { parseInspection, endOf, publishedPort } from '../../adapters/serving/docker/inspection';
import { parseModelConfig } from '../../adapters/serving/triton/model-config';
import { readExposition } from '../../adapters/telemetry/exposition';
import { repeatsOf, totalsOf } from '../../adapters/telemetry/haproxy-counts';
import { readEvidently } from '../../adapters/telemetry/reports/evidently';
import { readWhylogs } from '../../adapters/telemetry/reports/whylogs';
import { mapView } from '../../adapters/traffic/haproxy/map-entries';
import { openMasterCli, workersOf } from '../../adapters/traffic/haproxy/master-cli';
import { requestsOf } from '../../adapters/traffic/haproxy/running';
import { slotStates } from '../../adapters/traffic/haproxy/slots';
import { outputsOfDvcFile, outputsOfLock, artifactPathIn } from '../../adapters/artifacts/dvc/outputs';
import { parseDvcConfig } from '../../adapters/artifacts/dvc/dvc-config';
import { parseWebhookUrl } from '../../adapters/alerts/webhook-address';
import { goodAnswers } from './good-answers';
import { hostileJson, hostileText, mangled, mutated } from './hostile';
import { HostileServer } from './hostile-server';
import { refusedOrDone, surface, type Harm, type SurfacePlan } from './surface';

const proc =
  '#<PID> <type> <reloads> <uptime> <version>\n10 master 1 0d00h01m00s 3.0\n# workers\n11 worker 0 0d00h01m00s 3.0\n# old workers\n12 worker 1 0d00h02m00s 3.0\n# programs\n';
const stat =
  '# pxname,svname,qcur,qmax,scur,smax,slim,stot,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,wretr,wredis,econ,eresp,cli_abrt,srv_abrt\nlg_mail_0,a0,0,0,1,1,,5,0,4,0,1,0,0,0,0,0,0,0,0\nlg_mail_0,b0,0,0,0,0,,0,0,0,0,0,0,0,0,0,0,0,0,0\n';
const map = '0x55 route 5|0|1|0|0|0|0|-|0|0|1.0|-|-\n0x56 digest abc\n0x57 hold.1 9999|pin\n';
const state =
  '1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl\n10 lg_mail_0 1 a0 127.0.0.1 2 0 1 1 3 1 0 0 0 0 1 1 - 8000 - 0\n';
const pbtxt =
  'name: "mail"\nplatform: "onnxruntime_onnx"\nversion_policy: { specific { versions: [1, 2] } }\ninput [ { name: "x" dims: [ 1 ] } ]\n';

const lanes = { 0: { version: '1.0', steppingIn: null } } as unknown as Parameters<typeof totalsOf>[2];

/** Texts that other programs write, read by hand. */
export const textPlans: readonly SurfacePlan[] = [
  text('haproxy.texts', 5, [proc, stat, map, state], (given) =>
    each(
      () => workersOf(given),
      () => requestsOf(given, 'mail'),
      () => totalsOf(given, 'mail', lanes),
      () => repeatsOf(given, 'mail'),
      () => mapView(given),
      () => slotStates(given),
    ),
  ),
  text('exposition', 3, [goodAnswers.exposition], (given) =>
    each(
      () => readExposition(given, new Set(['vllm:num_requests_running', 'x', 'tgi_queue_size']), 1),
      () => parseExposition(given, new Set(['vllm:num_requests_running', 'x_count'])),
    ),
  ),
  text('triton.config', 2, [pbtxt], (given) => each(() => parseModelConfig(given, 'mail', 'config.pbtxt'))),
  text(
    'dvc',
    3,
    [
      'outs:\n- md5: aaaa.dir\n  size: 3\n  hash: md5\n  path: model\n',
      'schema: "2.0"\nstages:\n  train:\n    cmd: x\n    outs:\n    - path: model\n      md5: a\n',
      'artifacts:\n  mail:\n    path: model\n    type: model\n',
      '[core]\n    remote = storage\n["remote \\"storage\\""]\n    url = /srv/dvc\n',
    ],
    (given) =>
      each(
        () => outputsOfDvcFile('x', '.', Buffer.from(given)),
        () => outputsOfLock('x', '.', Buffer.from(given)),
        () => artifactPathIn('x', '.', 'mail', Buffer.from(given)),
        () => parseDvcConfig([given]),
      ),
  ),
  text('webhook-address', 2, ['http://127.0.0.1:1/hook', 'https://example.test:443/a?b', 'http://[::1]:1/x'], (given) =>
    each(() => parseWebhookUrl(given)),
  ),
  values('docker.inspection', 3, [goodAnswers.docker[2]], (given) =>
    each(() => {
      const seen = parseInspection(given);
      endOf(seen);
      publishedPort(seen);
    }),
  ),
  values(
    'reports',
    5,
    [
      {
        metrics: [
          {
            metric_name: 'ValueDrift(column=age)',
            config: { type: 'evidently:metric_v2:ValueDrift', column: 'age', method: 'K-S p_value' },
            value: 0.4,
          },
        ],
      },
      {
        columns: { age: { drift: { algorithm: 'ks', pvalue: 0.3, statistic: 0.1 } } },
        age: { algorithm: 'ks', pvalue: 0.3 },
      },
    ],
    (given) => {
      const wanted = [
        { name: 'd', metric: 'ValueDrift', column: 'age', method: 'K-S p_value', field: null },
        { name: 'k', metric: 'ValueDrift', column: 'age', method: 'ks', field: null },
      ] as const;
      return each(
        () => readEvidently(given, wanted as never),
        () => readWhylogs(given, wanted as never),
      );
    },
  ),
  {
    name: 'adapters.haproxy.socket',
    weight: 3,
    open: async () => {
      const server = await HostileServer.start();
      const said = `\nmaster> ${proc}\nmaster> \n11> ${stat}\n11> ${map}\n11> `;
      return surface({
        name: 'adapters.haproxy.socket',
        inputs: fc.oneof(
          { weight: 3, arbitrary: mangled([said]) },
          {
            weight: 1,
            arbitrary: fc.tuple(hostileText, hostileText).map(([a, b]) => Buffer.from(`${a}\nmaster> ${b}\n11> `)),
          },
        ),
        meet: async (says) => {
          server.says = says;
          return await refusedOrDone(async () => {
            const cli = await openMasterCli(server.socket, 300);
            try {
              const [first] = await cli.workers();
              await cli.askAll(first?.pid ?? 1, ['show stat', 'show map x']);
            } finally {
              cli.close();
            }
          });
        },
        close: () => server.stop(),
      });
    },
  },
];

/** The first of them that breaks. */
async function each(...reads: readonly (() => unknown)[]): Promise<Harm | null> {
  for (const read of reads) {
    const harm = await refusedOrDone(read);
    if (harm !== null) return harm;
  }
  return null;
}

function text(
  name: string,
  weight: number,
  good: readonly string[],
  read: (text: string) => Promise<Harm | null>,
): SurfacePlan {
  const inputs = fc.oneof({ weight: 6, arbitrary: mangled(good).map(String) }, { weight: 1, arbitrary: hostileText });
  return {
    name: named(name),
    weight,
    open: () => Promise.resolve(surface({ name, inputs, meet: read, close: () => Promise.resolve() })),
  };
}

function values(
  name: string,
  weight: number,
  good: readonly unknown[],
  read: (value: unknown) => Promise<Harm | null>,
): SurfacePlan {
  const inputs = fc.oneof({ weight: 6, arbitrary: mutated(good) }, { weight: 1, arbitrary: hostileJson });
  return {
    name: named(name),
    weight,
    open: () => Promise.resolve(surface({ name, inputs, meet: read, close: () => Promise.resolve() })),
  };
}

function named(name: string): string {
  return `adapters.${name}`;
}
