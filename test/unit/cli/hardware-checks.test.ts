import { createServer } from 'node:http';
import { askHardware } from '../../../cli/checks/hardware';
import type { ServiceConfiguration } from '../../../workers/configuration/configuration';
import { dcgmExporterText, nodeExporterText } from '../../support/exporter-texts';

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

async function serving(text: () => string): Promise<string> {
  const server = createServer((_request, response) => response.end(text()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => (server.closeAllConnections(), server.close()));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/metrics`;
}

function service(hardware: ServiceConfiguration['hardware']): ServiceConfiguration {
  return { name: 'mail', hardware } as ServiceConfiguration;
}

test('doctor asks each exporter twice and says what it tells, what it does not tell, and what does not answer', async () => {
  let asked = 0;
  const node = await serving(() => {
    asked += 1;
    return nodeExporterText({
      busySeconds: asked,
      idleSeconds: 900 + asked,
      availableBytes: 3e10,
      diskFreeBytes: 2e11,
    });
  });
  const dcgm = await serving(() =>
    dcgmExporterText([{ busyPercent: 40, usedMiB: 9_000, xid: 0, throttleReasons: null }]),
  );
  const common = { machine: 'gpu-1', mountpoint: '/', gpus: null };
  const findings = await askHardware(
    service([
      { ...common, kind: 'node', source: { url: node } },
      { ...common, kind: 'node', source: { url: node }, mountpoint: '/data' },
      { ...common, kind: 'dcgm', source: { url: dcgm } },
      { ...common, kind: 'dcgm', source: { url: 'http://127.0.0.1:9/metrics' } },
      { ...common, kind: 'dcgm', source: { url: node } },
    ]),
  );
  expect(findings.map(({ level, said }) => `${level}: ${said}`)).toEqual([
    expect.stringMatching(/^ok: cpu 0\.\d+, memory 0\.44, disk 0\.4$/),
    expect.stringMatching(/^warning: cpu 0\.\d+, memory 0\.44; it does not tell disk$/),
    'warning: gpu-busy 0.4, gpu-memory 0.39, gpu-xid 0, gpu-missing 0; it does not tell gpu-throttled',
    expect.stringMatching(/^wrong: http:\/\/127\.0\.0\.1:9\/metrics: /),
    expect.stringMatching(/^wrong: .*nothing that a dcgm exporter would$/),
  ]);
  expect(findings[1]?.remedy).toContain('hardware.gpu-1.node.mountpoint');
});
