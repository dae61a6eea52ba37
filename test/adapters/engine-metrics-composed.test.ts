import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { gatewayRouter } from '../../adapters/traffic/gateway';
import { metricsText, openCounters } from '../../examples/mail-triage/server-metrics';
import { gatewayConfigOf } from '../../workers/configuration/gateway-file';
import { loadConfiguration } from '../../workers/configuration/load';
import { runPaths } from '../../workers/embedded/paths';
import { openEngineMetrics } from '../../workers/engine-metrics';
import { openOutside } from '../../workers/outside';
import { route, startGateway } from '../support/gateway-process';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

jest.setTimeout(40_000);
const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(removeTemporary);

const yaml = `
services:
  mail:
    model: mail
    serving: { runtime: process, command: [node, server.js, '{artifact}', '{report}'] }
    metrics:
      held: { kind: mean, unit: bytes, practicalMargin: 1000000, source: { engine: process_resident_memory_bytes, every: 5s } }
      model-time: { kind: mean, unit: s, practicalMargin: 0.1, source: { engine: mail_triage_inference_seconds, every: 5s } }
      refused:
        kind: rate
        practicalMargin: 0.05
        source:
          engine: mail_triage_requests_total
          labels: { status: '400' }
          read: ratio
          per: { engine: mail_triage_requests_total }
          every: 5s
`;

test('what the example’s server tells of itself is read as its configuration says, from the copy that the route names', async () => {
  const directory = temporaryDirectory('engine-metrics');
  writeFileSync(join(directory, 'lastgood.yaml'), yaml);
  const configuration = loadConfiguration(join(directory, 'lastgood.yaml'));
  const paths = runPaths(configuration.dataDir);
  const { dataDir, control, services } = gatewayConfigOf(configuration, paths);
  for (const needed of [dataDir, dirname(paths.gatewayControl.socket)]) mkdirSync(needed, { recursive: true });
  const gateway = await startGateway({ dataDir, control, services });
  const router = gatewayRouter({ address: paths.gatewayControl });
  const outside = openOutside(configuration, paths);
  closers.push(
    () => gateway.kill(),
    () => router.close(),
    () => outside.close(),
  );

  const counters = openCounters();
  const copy = createServer((_, response) => response.end(metricsText(counters, undefined, 0)));
  await new Promise<void>((resolve) => copy.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    copy.closeAllConnections();
    copy.close();
  });
  const address = `http://127.0.0.1:${(copy.address() as AddressInfo).port}`;
  await gateway.apply(route(1, '1.1', { '1.1': [{ address, instance: 'mail@1.1#1', digest: 'sha256:1' }] }));

  const problems: (readonly string[])[] = [];
  const engines = openEngineMetrics(
    configuration,
    paths,
    router,
    () => true,
    (_, found) => problems.push(found),
  );
  closers.push(() => engines.close());
  const read = async (metric: string) => await outside.values('mail', metric, 0, Date.now() + 60_000, 10);
  await until('the first look', async () => (await read('held')).length > 0);
  for (let asked = 0; asked < 20; asked += 1) {
    counters.count(asked < 5 ? 400 : 200);
    counters.inference(250);
  }
  await until('the second look', async () => (await read('refused')).length > 0, 15_000);

  expect((await read('held'))[0]?.value).toBeGreaterThan(1_000_000);
  expect(await read('model-time')).toMatchObject([{ value: 0.25, n: 20 }]);
  expect(await read('refused')).toMatchObject([{ value: 0.25, n: 20 }]);
  expect(problems).toEqual([]);
});
