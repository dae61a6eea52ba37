import type { PreparedFault } from '../../activities/ports';
import type { ManifestJson } from '../../domain/chaos/experiment';
import { FaultsChild } from '../support/faults-child';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';
import { kubernetesParts, RealKubernetes, RELEASE } from './kubernetes/server';

// A real API server with the real definitions of Chaos Mesh: `npm run test:kubernetes`. No kubelet and no controllers: the
// suite writes the status that the controller of Chaos Mesh would write. Strict validation, conflicts, finalizers and the
// merge patch are the server's own.

const parts = kubernetesParts();
if (parts === null) console.log(`skipped: the API server ${RELEASE} is not installed (scripts/optional/kubernetes.sh)`);
const describeReal = parts === null ? describe.skip : describe;
jest.setTimeout(120_000);

const podChaos: ManifestJson = {
  apiVersion: 'chaos-mesh.org/v1alpha1',
  kind: 'PodChaos',
  metadata: { name: 'fail-triage', namespace: 'models' },
  spec: { action: 'pod-failure', mode: 'all', selector: { namespaces: ['models'], labelSelectors: { app: 'triage' } } },
};

describeReal(`the API server ${RELEASE}`, () => {
  let server: RealKubernetes;
  let faults: FaultsChild;

  beforeAll(async () => {
    if (parts === null) return;
    server = await RealKubernetes.start(parts);
    await server.define('podchaos.chaos-mesh.org');
    faults = FaultsChild.start();
  });
  afterAll(() => {
    faults?.stop();
    server?.stop();
    removeTemporary();
  });

  const prepare = (manifest: ManifestJson = podChaos, limitMs = 10_000): Promise<PreparedFault> =>
    faults.prepare('triage', { kind: 'chaos-mesh', manifest, context: 'test', kubeconfig: server.kubeconfig, limitMs });
  const pathOf = ({ undo }: PreparedFault): string => {
    const { metadata } = undo['manifest'] as { metadata: { name: string; namespace: string } };
    return `/apis/chaos-mesh.org/v1alpha1/namespaces/${metadata.namespace}/podchaos/${metadata.name}`;
  };
  const records = (injectedCount: number, recoveredCount: number) => [
    {
      id: 'models/triage-1',
      selectorKey: '.',
      phase: injectedCount > recoveredCount ? 'Injected' : 'Not Injected',
      injectedCount,
      recoveredCount,
    },
  ];
  const conditions = (is: Readonly<Record<string, boolean>>) =>
    Object.entries(is).map(([type, holds]) => ({ type, status: holds ? 'True' : 'False' }));

  test('creates a chaos object, follows what the controller writes, and deletes it through its finalizer', async () => {
    const fault = await prepare();
    const injecting = faults.inject(fault);
    injecting.catch(() => undefined);
    const path = pathOf(fault);
    await until('the object', () => server.get(path), 20_000);
    await server.merge(path, {
      metadata: { finalizers: ['chaos-mesh/records'] },
      status: {
        conditions: conditions({ Selected: true, AllInjected: true, AllRecovered: false, Paused: false }),
        experiment: { desiredPhase: 'Run', containerRecords: records(1, 0) },
      },
    });
    expect(await injecting).toMatchObject({ sentence: 'PodChaos: all 1 are hit' });
    const removing = faults.remove(fault);
    removing.catch(() => undefined);
    await until('its deletion', async () => (await server.get(path))?.metadata.deletionTimestamp, 20_000);
    await server.merge(path, { metadata: { finalizers: [] } });
    expect((await removing).sentence).toContain('is gone, so everything has recovered');
    expect(await server.get(path)).toBeNull();
  });

  test('a selector that matches nothing is an error of its own', async () => {
    const fault = await prepare();
    const injecting = faults.inject(fault);
    injecting.catch(() => undefined);
    await until('the object', () => server.get(pathOf(fault)), 20_000);
    await server.merge(pathOf(fault), {
      status: { conditions: conditions({ Selected: false, AllRecovered: true }), experiment: { desiredPhase: 'Run' } },
    });
    await expect(injecting).rejects.toMatchObject({ name: 'FaultSelectsNothing' });
    await faults.remove(fault);
    expect(await server.get(pathOf(fault))).toBeNull();
  });

  test('a misspelt field and an action that does not exist are refused by the server', async () => {
    const spec = podChaos['spec'] as ManifestJson;
    const misspelt = await prepare({ ...podChaos, spec: { ...spec, durration: '10s' } });
    await expect(faults.inject(misspelt)).rejects.toThrow(/unknown field "spec\.durration"/);
    const unknown = await prepare({ ...podChaos, spec: { ...spec, action: 'pod-melt' } });
    await expect(faults.inject(unknown)).rejects.toThrow(/422 .*pod-melt/);
    expect(await server.get(pathOf(misspelt))).toBeNull();
  });

  test('the same object twice is a conflict', async () => {
    const fault = await prepare(podChaos, 100);
    await expect(faults.inject(fault)).rejects.toMatchObject({ name: 'FaultDidNotHappen' });
    await expect(faults.inject(fault)).rejects.toThrow(/409 .*already exists/);
    await faults.remove(fault);
  });
});
