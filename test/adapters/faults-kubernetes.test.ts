import type { ManifestJson } from '../../domain/chaos/experiment';
import { FakeKubernetes } from '../support/fake-kubernetes';
import { FaultsChild } from '../support/faults-child';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

let faults: FaultsChild;
let fake: FakeKubernetes;
let kubeconfig: string;

beforeAll(() => {
  faults = FaultsChild.start();
});
beforeEach(async () => {
  fake = await FakeKubernetes.start();
  kubeconfig = fake.kubeconfig(temporaryDirectory('kubernetes'));
});
afterEach(async () => {
  await fake.close();
  expect(fake.faults).toEqual([]);
});
afterAll(() => {
  faults.stop();
  removeTemporary();
});

const podChaos: ManifestJson = {
  apiVersion: 'chaos-mesh.org/v1alpha1',
  kind: 'PodChaos',
  metadata: { name: 'fail-triage', namespace: 'models' },
  spec: { action: 'pod-failure', mode: 'all', selector: { namespaces: ['models'], labelSelectors: { app: 'triage' } } },
};
const chaosEngine: ManifestJson = {
  apiVersion: 'litmuschaos.io/v1alpha1',
  kind: 'ChaosEngine',
  metadata: { name: 'fail-triage', namespace: 'models' },
  spec: {
    appinfo: { appns: 'models', applabel: 'app=triage', appkind: 'deployment' },
    chaosServiceAccount: 'litmus',
    experiments: [{ name: 'pod-delete' }],
  },
};
const place = (limitMs = 3_000) => ({ context: 'test', kubeconfig, limitMs });
const ofMesh = (manifest: ManifestJson = podChaos, limitMs?: number) =>
  faults.prepare('triage', { kind: 'chaos-mesh', manifest, ...place(limitMs) });
const ofLitmus = (manifest: ManifestJson = chaosEngine, limitMs?: number) =>
  faults.prepare('triage', { kind: 'litmus', manifest, ...place(limitMs) });

/** Status of a chaos object, of as many pods as there are counts of injections and recoveries. */
function meshStatus(
  conditions: Readonly<Record<string, boolean>>,
  pods: readonly (readonly [number, number])[],
  desiredPhase = 'Run',
): object {
  return {
    conditions: Object.entries(conditions).map(([type, is]) => ({ type, status: is ? 'True' : 'False' })),
    experiment: {
      desiredPhase,
      containerRecords: pods.map(([injectedCount, recoveredCount], at) => ({
        id: `models/triage-${at}`,
        selectorKey: '.',
        phase: injectedCount > recoveredCount ? 'Injected' : 'Not Injected',
        injectedCount,
        recoveredCount,
      })),
    },
  };
}
const allInjected = { Selected: true, AllInjected: true, AllRecovered: false, Paused: false };

test('a chaos object is created with a name of the run and strict validation, and counts when all that it selects is hit', async () => {
  const prepared = await ofMesh();
  expect(prepared.target).toMatch(/^PodChaos models\/fail-triage-[0-9a-f]{8} at http:\/\/127/);
  // Nothing was created, so that what was chosen is on disk before.
  expect(fake.requests).toEqual([]);
  const injecting = faults.inject(prepared);
  await until('the object', () => fake.only('podchaos'));
  // Before the injection AllRecovered is true as well.
  fake.setStatus(
    'podchaos',
    meshStatus({ Selected: true, AllInjected: false, AllRecovered: true }, [
      [0, 0],
      [0, 0],
    ]),
  );
  fake.setStatus(
    'podchaos',
    meshStatus({ Selected: true, AllInjected: false, AllRecovered: false }, [
      [1, 0],
      [0, 0],
    ]),
  );
  const looks = fake.requests.length;
  await until('some looks', () => fake.requests.length > looks + 3);
  fake.setStatus(
    'podchaos',
    meshStatus(allInjected, [
      [1, 0],
      [1, 0],
    ]),
  );
  expect(await injecting).toMatchObject({ sentence: 'PodChaos: all 2 are hit', facts: { selected: 2, hit: 2 } });
  expect(fake.only('podchaos')?.metadata).toMatchObject({
    labels: { 'app.kubernetes.io/managed-by': 'lastgood-chaos' },
  });

  const removing = faults.remove(prepared);
  await until('its deletion', () => fake.only('podchaos')?.metadata['deletionTimestamp']);
  fake.release('podchaos');
  expect((await removing).sentence).toContain('is gone, so everything has recovered');
  // Once more, by another process: nothing to do.
  expect((await faults.remove(prepared)).sentence).toContain('is gone');
});

test.each([
  ['paused', { ...allInjected, Paused: true }, [[1, 0]], /paused, it is paused/],
  [
    'hit in part',
    { Selected: true, AllInjected: false },
    [
      [1, 0],
      [0, 0],
    ],
    /partial, 1 of 2 are hit/,
  ],
  ['hit by its conditions only', allInjected, [[0, 0]], /pending, 0 of 1 are hit/],
] as const)('a chaos object that stays %s did not happen', async (_, conditions, pods, words) => {
  const prepared = await ofMesh(podChaos, 300);
  const injecting = faults.inject(prepared);
  injecting.catch(() => undefined);
  await until('the object', () => fake.only('podchaos'));
  fake.setStatus('podchaos', meshStatus(conditions, pods));
  await expect(injecting).rejects.toMatchObject({
    name: 'FaultDidNotHappen',
    message: expect.stringMatching(words) as string,
  });
});

test('a chaos object that no controller looks at did not happen, and one that selects nothing is an error of its own', async () => {
  await expect(faults.inject(await ofMesh(podChaos, 200))).rejects.toThrow(/pending, Chaos Mesh has not looked at it/);
  fake.finalizers = {};
  const unseen = fake.only('podchaos');
  expect(unseen).not.toBeNull();
  if (unseen !== null) unseen.metadata['deletionTimestamp'] = 'now';
  fake.release('podchaos');
  const injecting = faults.inject(await ofMesh());
  injecting.catch(() => undefined);
  await until('the object', () => fake.only('podchaos'));
  fake.setStatus('podchaos', meshStatus({ Selected: false, AllInjected: false, AllRecovered: true }, []));
  await expect(injecting).rejects.toMatchObject({
    name: 'FaultSelectsNothing',
    message: 'PodChaos: its selector matches nothing',
  });
});

test('a killed pod counts when every selected one was hit: there is nothing to recover', async () => {
  const prepared = await ofMesh({ ...podChaos, spec: { ...(podChaos['spec'] as ManifestJson), action: 'pod-kill' } });
  const injecting = faults.inject(prepared);
  await until('the object', () => fake.only('podchaos'));
  fake.setStatus('podchaos', meshStatus({ Selected: true, AllInjected: true, AllRecovered: true }, [[1, 0]]));
  expect((await injecting).sentence).toBe('PodChaos: pod-kill was done to 1 of 1');
});

test.each([
  [
    'a misspelt field',
    { ...podChaos, spec: { ...(podChaos['spec'] as ManifestJson), durration: '10s' } },
    /unknown field "spec.durration"/,
  ],
] as const)('%s is refused by the server, and nothing is created', async (_, manifest, words) => {
  await expect(faults.inject(await ofMesh(manifest))).rejects.toThrow(words);
  expect(fake.only('podchaos')).toBeNull();
});

test.each([
  [
    'without namespaces to hit',
    { ...podChaos, spec: { action: 'pod-kill', mode: 'all', selector: {} } },
    /selector.namespaces: is missing/,
  ],
  [
    'of a kind that hits more than pods',
    { ...podChaos, kind: 'PhysicalMachineChaos' },
    /found PhysicalMachineChaos, expected one of/,
  ],
  ['of another tool', { ...podChaos, apiVersion: 'litmuschaos.io/v1alpha1' }, /expected chaos-mesh.org\/v1alpha1/],
] as const)('a manifest %s is refused before anything is asked', async (_, manifest, words) => {
  await expect(ofMesh(manifest)).rejects.toMatchObject({
    name: 'FaultRefused',
    message: expect.stringMatching(words) as string,
  });
  expect(fake.requests).toEqual([]);
});

test('a context is always named: the current one of the kubeconfig is never taken', async () => {
  const spec = { kind: 'chaos-mesh' as const, manifest: podChaos, ...place(), context: 'prod' };
  await expect(faults.prepare('triage', spec)).rejects.toThrow(
    /found "prod", expected one of the kubeconfig: test, production/,
  );
});

test('an engine counts when its experiment runs, is stopped by its state, and its result is told', async () => {
  const prepared = await ofLitmus();
  const injecting = faults.inject(prepared);
  const made = await until('the engine', () => fake.only('chaosengines'));
  expect(made).toMatchObject({ spec: { engineState: 'active' } });
  fake.setStatus('chaosengines', {
    engineStatus: 'initialized',
    experiments: [{ name: 'pod-delete', status: 'Waiting for Job Creation', verdict: 'N/A' }],
  });
  fake.setStatus('chaosengines', {
    engineStatus: 'initialized',
    experiments: [{ name: 'pod-delete', status: 'Running', verdict: 'Awaited' }],
  });
  expect((await injecting).sentence).toBe('ChaosEngine: its experiment runs (running)');
  fake.put('chaosresults', 'models', {
    metadata: { name: `${made.metadata.name}-pod-delete` },
    status: { experimentStatus: { phase: 'Running', verdict: 'Awaited' } },
  });
  const removing = faults.remove(prepared);
  await until(
    'the order to stop',
    () => (fake.only('chaosengines')?.['spec'] as { engineState: string }).engineState === 'stop',
  );
  fake.setStatus('chaosengines', { engineStatus: 'stopped', experiments: [] });
  expect((await removing).sentence).toContain('is gone; its result: phase Running, verdict Awaited');
  expect(fake.only('chaosengines')).toBeNull();
});

test.each([
  ['Completed', 'Fail'],
  ['Completed', 'Awaited'],
  ['Completed_With_Probe_Failure', 'Pass'],
  ['Completed_With_Error', 'Pass'],
  ['Error', 'Error'],
])('a result of phase %s and verdict %s is no proof', async (phase, verdict) => {
  const injecting = faults.inject(await ofLitmus());
  injecting.catch(() => undefined);
  const made = await until('the engine', () => fake.only('chaosengines'));
  fake.put('chaosresults', 'models', {
    metadata: { name: `${made.metadata.name}-pod-delete` },
    status: { experimentStatus: { phase, verdict, probeSuccessPercentage: '50' } },
  });
  fake.setStatus('chaosengines', {
    engineStatus: 'completed',
    experiments: [{ name: 'pod-delete', status: 'Completed', verdict }],
  });
  await expect(injecting).rejects.toMatchObject({
    name: 'FaultDidNotHappen',
    message: expect.stringContaining(`phase ${phase}, verdict ${verdict}, probes 50 %`) as string,
  });
});

test('an engine that completes without an experiment selected nothing', async () => {
  const injecting = faults.inject(await ofLitmus());
  injecting.catch(() => undefined);
  await until('the engine', () => fake.only('chaosengines'));
  fake.setStatus('chaosengines', { engineStatus: 'completed', experiments: [] });
  await expect(injecting).rejects.toMatchObject({ name: 'FaultSelectsNothing' });
});
