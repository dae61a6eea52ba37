import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer as httpServer } from 'node:http';
import { join } from 'node:path';
import { request } from 'undici';
import { parse } from 'yaml';
import { readinessOf } from '../../domain/service/readiness';
import { ControllerMetrics } from '../../workers/metrics';
import type { ServiceStatus } from '../../workflows/contract/status';
import { route, startGateway, type GatewayProcess } from '../support/gateway-process';
import { until } from '../support/poll';
import { prometheusProgram, startPrometheus } from '../support/prometheus-server';
import { usedByQuery } from '../support/promql';
import { servicePolicy } from '../support/service-policy';
import { SERVICE, serviceWithStandby, START } from '../support/service-simulator';
import { removeTemporary } from '../support/temporary';
import { Upstream } from '../support/upstreams';

jest.setTimeout(120_000);

const deploy = join(__dirname, '../../deploy');
const rulesFile = join(deploy, 'prometheus/lastgood.rules.yml');
const casesFile = join(deploy, 'prometheus/lastgood.rules.test.yml');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}
interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const rules = (parse(readFileSync(rulesFile, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const dashboard = JSON.parse(readFileSync(join(deploy, 'grafana/lastgood.json'), 'utf8')) as {
  panels: Panel[];
  templating: { list: { type: string; query: { query: string } }[] };
};
const queries = [
  ...rules.map(({ alert, expr, annotations }) => ({
    name: alert,
    expr,
    shown: [...(annotations['summary'] ?? '').matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label),
  })),
  ...dashboard.panels.flatMap(({ title, targets }) =>
    targets.map(({ expr, legendFormat }) => ({
      name: title,
      expr: expr.replaceAll('$service', '.+').replaceAll('$__rate_interval', '1m'),
      shown: [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label),
    })),
  ),
];

test('every alert has a case in which it fires and one in which it does not', () => {
  const cases = parse(readFileSync(casesFile, 'utf8')) as {
    tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
  };
  const tried = cases.tests.flatMap(({ alert_rule_test }) => alert_rule_test);
  for (const { alert } of rules) {
    const own = tried.filter(({ alertname }) => alertname === alert).map(({ exp_alerts }) => exp_alerts.length > 0);
    expect([alert, own.includes(true), own.includes(false)]).toEqual([alert, true, true]);
  }
});

test('what an alert must say is there, and its runbook is a section that exists', () => {
  const text = readFileSync(join(__dirname, '../../docs/operations.md'), 'utf8');
  const anchors = [...text.matchAll(/^#{2,4} (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
  for (const { alert, labels, annotations } of rules) {
    expect(['page', 'ticket']).toContain(labels['severity']);
    expect(annotations['summary']).toMatch(/\w{3}/);
    const [page, anchor] = (annotations['runbook'] ?? '').split('#');
    expect([alert, page]).toEqual([alert, 'docs/operations.md']);
    expect([alert, anchors.includes(anchor ?? '')]).toEqual([alert, true]);
  }
});

const program = prometheusProgram();
const described = program === null ? describe.skip : describe;
if (program === null)
  process.stderr.write('SKIPPED: the alert rules, as no prometheus is installed (scripts/test-deps/prometheus.sh)\n');

described('with a real promtool and Prometheus', () => {
  let exporters: Exporters;
  let server: Awaited<ReturnType<typeof startPrometheus>>;
  beforeAll(async () => {
    exporters = await startExporters();
    server = await startPrometheus(program ?? '', exporters.targets);
    await until('both targets', async () => (await ask('sum(up)'))[0]?.value[1] === '2', 60_000);
    const scraped = async () => (await ask('lastgood_gateway_requests_total{outcome="ok"} > 0')).length > 0;
    await until('the counts of the gateway', scraped, 60_000);
  });
  afterAll(async () => {
    await server?.stop();
    await exporters?.stop();
    removeTemporary();
  });

  async function ask(query: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> {
    const { statusCode, body } = await request(`${server.url}/api/v1/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ query }).toString(),
    });
    const answer = (await body.json()) as {
      error?: string;
      data?: { result: { metric: Record<string, string>; value: [number, string] }[] };
    };
    if (statusCode !== 200) throw new Error(`${query}: ${answer.error ?? statusCode}`);
    return answer.data?.result ?? [];
  }

  test('promtool takes the rules, and each fires where its cases say so', () => {
    execFileSync('promtool', ['check', 'rules', rulesFile], { stdio: 'pipe' });
    execFileSync('promtool', ['test', 'rules', casesFile], { stdio: 'pipe' });
  });

  test.each(queries)('$name asks for metrics and labels that are exported', async ({ expr, shown }) => {
    await ask(expr);
    const { metrics, selected, grouped } = usedByQuery(expr);
    expect(metrics.length).toBeGreaterThan(0);
    const labels = new Set<string>();
    for (const metric of metrics) {
      // The next scrape may be the one that has it.
      const found = await until(metric, async () => {
        const series = await ask(metric);
        return series.length > 0 && series;
      });
      const own = new Set(found.flatMap(({ metric: series }) => Object.keys(series)));
      for (const label of selected[metric] ?? [])
        expect([metric, label, own.has(label)]).toEqual([metric, label, true]);
      for (const label of own) labels.add(label);
    }
    for (const label of [...grouped, ...shown]) expect([label, labels.has(label)]).toEqual([label, true]);
  });

  test('the list of services in the dashboard is made from what is exported', async () => {
    const [, metric = '', label = ''] =
      /^label_values\((\w+), (\w+)\)$/.exec(
        dashboard.templating.list.find(({ type }) => type === 'query')?.query.query ?? '',
      ) ?? [];
    expect((await ask(metric)).map(({ metric: series }) => series[label])).toEqual([SERVICE]);
  });
});

interface Exporters {
  readonly targets: readonly string[];
  stop(): Promise<void>;
}

/** A real gateway process that has answered and refused requests, and the controller's metrics after a real rollback's decisions. */
async function startExporters(): Promise<Exporters> {
  const upstream = await Upstream.start('1.1');
  const gateway: GatewayProcess = await startGateway({
    services: [{ name: SERVICE, firstByteMs: 200_000, requestMaxMs: 300_000 }],
  });
  const refused = await request(`${gateway.address(SERVICE)}/v2/models/m/infer`, { method: 'POST', body: '{}' });
  await refused.body.dump();
  const record = route(1, '1.1', { '1.1': [upstream.backend(SERVICE)] });
  await gateway.apply({ ...record, service: SERVICE });
  for (let nth = 0; nth < 5; nth += 1) {
    const { body } = await request(`${gateway.address(SERVICE)}/v2/models/m/infer`, { method: 'POST', body: '{}' });
    await body.dump();
  }
  // One that is not answered, for the time of the test.
  await upstream.behave('hang');
  const waiting = new AbortController();
  const unanswered = request(`${gateway.address(SERVICE)}/v2/models/m/infer`, {
    method: 'POST',
    body: '{}',
    signal: waiting.signal,
  }).catch(() => null);
  const metrics = controllerAfterRollback();
  const listening = httpServer((_request, response) => {
    void metrics.text().then((text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text));
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const port = (listening.address() as AddressInfo).port;
  return {
    targets: [`127.0.0.1:${port}`, gateway.metricsAddress.replace(/^https?:\/\//, '').replace(/\/.*$/, '')],
    stop: async () => {
      waiting.abort();
      await unanswered;
      listening.closeAllConnections();
      await new Promise((resolve) => listening.close(resolve));
      await gateway.kill();
      await upstream.kill();
    },
  };
}

function controllerAfterRollback(): ControllerMetrics {
  const simulator = serviceWithStandby(servicePolicy());
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  simulator.tiers('ok');
  simulator.verdict('v1', { tier: 'immediate', hard: true });
  simulator.runOperation();
  simulator.tiers('ok');
  const metrics = new ControllerMetrics(START);
  for (const entry of simulator.ledger) metrics.countEntry(entry);
  const { outbox, answered: _answered, next: _next, ...state } = simulator.state;
  const ledgerLag = { entries: outbox.length, oldestAt: outbox[0]?.at ?? null };
  const status: ServiceStatus = {
    service: SERVICE,
    readiness: readinessOf(simulator.state, simulator.now),
    state,
    ledgerLag,
  };
  metrics.observe(SERVICE, status, simulator.now);
  metrics.observeTemporal(true);
  metrics.countAlert('journal', true);
  return metrics;
}
