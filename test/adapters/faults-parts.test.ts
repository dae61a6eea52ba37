import { join } from 'node:path';
import type { ServingRuntime } from '../../activities/ports';
import { containerCopies } from '../../adapters/faults/local/container-copies';
import { freezeServing, type CopyPlace } from '../../adapters/faults/local/freeze-serving';
import { killServing } from '../../adapters/faults/local/kill-serving';
import { reloadHaproxy } from '../../adapters/faults/local/reload-router';
import type { CopyControl } from '../../adapters/faults/local/serving-copies';
import { openDockerRuntime, type DockerRuntimeOptions } from '../../adapters/serving/docker/docker-runtime';
import { startRequest } from '../support/contracts/serving-runtime';
import { compiled } from '../support/compiled';
import { fakeModelImage, needsDocker, PrivateEngine } from '../support/docker-engine';
import { dockerOptions, dockerTemplate } from '../support/docker-runtime';
import { describeHaproxy, HaproxyProcess } from '../support/haproxy-process';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

const never = new AbortController().signal;
afterAll(removeTemporary);

needsDocker('the copies of a private dockerd', () => {
  let engine: PrivateEngine;
  let options: DockerRuntimeOptions;
  let runtime: ServingRuntime;
  let place: Extract<CopyPlace, { how: 'container' }>;
  let control: CopyControl;
  const instance = 'mail@1.0#a';

  beforeAll(async () => {
    engine = await PrivateEngine.start();
    options = dockerOptions(engine, dockerTemplate(await fakeModelImage(engine)));
    runtime = await openDockerRuntime(options);
    place = { how: 'container', connection: options.connection, directory: options.directory };
    control = await containerCopies(place);
  }, 60_000);
  beforeEach(async () => {
    await runtime.start(startRequest({ instance }), never);
  }, 60_000);
  afterEach(() => engine.removeContainers());
  afterAll(() => engine?.close(), 60_000);

  const container = async () => {
    const [copy] = await control.find('mail', '1.0');
    return engine.docker.getContainer((copy as { id: string }).id);
  };

  test('are killed, and one of another installation is not even found', async () => {
    const strangers = await containerCopies({ ...place, directory: dockerOptions(engine, options.template).directory });
    expect(await strangers.find('mail', '1.0')).toEqual([]);
    const maker = killServing(() => Promise.resolve(control));
    const fault = await maker.prepare('mail', { kind: 'kill-serving', version: '1.0' });
    const hit = await container();
    expect((await maker.inject(fault)).sentence).toBe(`${instance} was killed and is gone`);
    expect((await hit.inspect()).State).toMatchObject({ Running: false, ExitCode: 137 });
    await maker.remove(fault);
  }, 60_000);

  test('are paused and go on, and a watchdog lets them go on when nobody else does', async () => {
    const folder = compiled(['adapters', 'activities', 'domain', 'gateway', 'workflows']);
    const watchdog = join(folder, 'adapters', 'faults', 'local', 'thaw-watchdog.js');
    const maker = freezeServing({ controlOf: () => Promise.resolve(control), placeOf: () => place, watchdog });
    const paused = async (): Promise<boolean> => (await (await container()).inspect()).State.Paused;
    const fault = await maker.prepare('mail', { kind: 'freeze-serving', version: '1.0', limitMs: 60_000 });
    await maker.inject(fault);
    expect(await paused()).toBe(true);
    await maker.remove(fault);
    expect(await paused()).toBe(false);
    await maker.remove(fault);
    await maker.inject(await maker.prepare('mail', { kind: 'freeze-serving', version: '1.0', limitMs: 1_500 }));
    await until('the watchdog', async () => !(await paused()), 30_000);
  }, 90_000);
});

describeHaproxy('the reload of HAProxy as a fault')('a real HAProxy', () => {
  test('is reloaded by its master: another worker is in charge', async () => {
    const haproxy = await HaproxyProcess.start();
    try {
      const maker = reloadHaproxy(haproxy.masterSocket);
      const [before] = await haproxy.workers();
      const fault = await maker.prepare('mail', { kind: 'reload-router' });
      const { facts } = await maker.inject(fault);
      const [after] = await haproxy.workers();
      expect(facts).toEqual({ before: before?.pid, now: after?.pid });
      expect(after?.pid).not.toBe(before?.pid);
      expect((await maker.remove(fault)).sentence).toBe(`HAProxy answers; worker ${after?.pid} is in charge`);
    } finally {
      await haproxy.stop();
    }
  }, 60_000);
});
