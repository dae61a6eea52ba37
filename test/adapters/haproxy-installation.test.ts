import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { judgeHaproxy } from '../../cli/checks/haproxy';
import { inspectHaproxy, writeHaproxyFiles } from '../../adapters/traffic/haproxy/inspection';
import { haproxyRouter } from '../../adapters/traffic/haproxy/haproxy';
import { placeOf, planLanes } from '../../adapters/traffic/haproxy/lanes';
import { configFile, laneName, mapFile } from '../../adapters/traffic/haproxy/layout';
import { loadConfiguration } from '../../workers/configuration/load';
import { route } from '../support/gateway-process';
import { describeHaproxy, HaproxyProcess } from '../support/haproxy-process';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

afterAll(removeTemporary);

describe('a configuration with router haproxy', () => {
  const configured = (service: string): string => {
    const file = join(temporaryDirectory('haproxy'), 'lastgood.yaml');
    writeFileSync(
      file,
      `router: {kind: haproxy, directory: ha}\nservices:\n  mail:\n    model: mail\n    serving: {runtime: external, versions: {"1.0": "http://127.0.0.1:1"}}\n${service}`,
    );
    return file;
  };

  it('takes its paths from where it lies', () => {
    const { router } = loadConfiguration(configured('    listen: 127.0.0.1:8080\n'));
    expect(router).toMatchObject({ kind: 'haproxy' });
    expect((router as { masterSocket: string }).masterSocket).toMatch(/\/ha\/master\.sock$/);
  });

  it.each([
    ['', /services\.mail\.listen: found port 0, expected the port that HAProxy listens on/],
    ['    listen: 127.0.0.1:8080\n    samples: {share: 0.1}\n', /samples\.share: .*HAProxy keeps no inputs/],
    ['    listen: 127.0.0.1:8080\n    answer: {class: label}\n', /answer: .*HAProxy does not read answers/],
    [
      '    listen: 127.0.0.1:8080\ngateway: {blindWebhook: {url: "http://127.0.0.1:9/"}}\n',
      /gateway\.blindWebhook: .*nobody reads the rows of the gateway/,
    ],
  ])('is refused where it asks for what HAProxy does not do', (service, message) => {
    expect(() => loadConfiguration(configured(service))).toThrow(message);
  });
});

describe('names and places for HAProxy', () => {
  it('never make a second command', () => {
    expect(() => laneName('mail; disable server x', 1)).toThrow(/letters, digits/);
    expect(() => haproxyRouter({ directory: '/tmp/a b', services: [], masterSocket: '/tmp/x' })).toThrow(
      /absolute path/,
    );
    expect(placeOf('http://127.0.0.1:1;disable')).toBeNull();
    expect(placeOf('http://[::1]:80')).toEqual({ host: '::1', port: 80 });
  });

  it('go to a free lane, the one that was left longest ago and is not busy first, and stay there', () => {
    const backends = Object.fromEntries(
      Array.from({ length: 9 }, (_, n) => [
        `1.${n}`,
        [{ address: `http://127.0.0.1:${n + 1}`, instance: 'x', digest: 'd' }],
      ]),
    );
    let stored = { floor: 0, intended: null, confirmed: null, lanes: {}, numbers: {}, fallback: null };
    const lanes: (number | undefined)[] = [];
    for (let n = 0; n < 9; n += 1) {
      const planned = planLanes(stored, route(n + 1, `1.${n}`, backends), new Set([1]));
      if (!('plan' in planned)) throw new Error(planned.refused);
      lanes.push(planned.plan.laneOf[`1.${n}`]);
      stored = { ...stored, lanes: planned.plan.lanes, numbers: planned.plan.numbers };
    }
    expect(lanes).toEqual([2, 3, 4, 5, 6, 7, 8, 2, 3]);
    const pins = Array.from({ length: 8 }, (_, n) => ({ version: `1.${n}`, until: 9e12 }));
    expect(planLanes(stored, route(20, '1.8', backends, { pins }), new Set())).toEqual({
      refused: expect.stringMatching(/names 9 versions .* at most 8/) as string,
    });
  });
});

describeHaproxy('what doctor finds of HAProxy')('what doctor finds of HAProxy', () => {
  const levels = async (haproxy: HaproxyProcess): Promise<Record<string, string>> =>
    Object.fromEntries(
      judgeHaproxy(await inspectHaproxy(haproxy.options), haproxy.masterSocket).map(({ what, level, said }) => [
        what,
        `${level}: ${said}`,
      ]),
    );

  it('nothing wrong where all is as lastgood wrote it, and each thing that is not, with its place', async () => {
    const haproxy = await HaproxyProcess.start();
    try {
      const router = haproxy.router();
      const backends = { '1.0': [{ address: 'http://127.0.0.1:1', instance: 'mail@1.0#x', digest: 'd' }] };
      await router.apply(route(1, '1.0', backends));
      const good = await levels(haproxy);
      expect(Object.values(good).filter((said) => /^(wrong|warning)/.test(said))).toEqual([]);
      expect(good['HAProxy']).toMatch(/^ok: 2\.6/);
      expect(await writeHaproxyFiles(haproxy.options)).toMatchObject({ changed: false });

      const file = configFile(haproxy.directory);
      writeFileSync(file, readFileSync(file, 'utf8').replace('retries 3', 'retries 0'));
      chmodSync(haproxy.directory, 0o777);
      await haproxy.ask(`clear map ${mapFile(haproxy.directory, 'mail')}`);
      const bad = await levels(haproxy);
      expect(bad['HAProxy configuration']).toMatch(/^wrong: .*:\d+: found "retries 0", expected "retries 3"/);
      expect(bad['HAProxy directory']).toMatch(/^wrong: .*every user/);
      expect(bad['mail: route in HAProxy']).toMatch(/^wrong: has epoch 0; epoch 1 was written down last/);

      rmSync(file);
      await haproxy.kill();
      const dead = await levels(haproxy);
      expect(dead['HAProxy configuration']).toMatch(/is not there/);
      expect(dead['HAProxy']).toMatch(/^wrong: HAProxy at .*master\.sock/);
      expect(await writeHaproxyFiles(haproxy.options)).toMatchObject({ changed: true });
      expect((await levels(haproxy))['HAProxy configuration']).toMatch(/^ok/);
    } finally {
      await haproxy.stop();
    }
  });
});
