import type { InstanceState, ServingRuntime } from '../../activities/ports';
import { ServingRefused } from '../../adapters/serving/errors';
import { externalRuntime } from '../../adapters/serving/external-runtime';
import { openInferenceEngine } from '../../adapters/serving/open-inference';
import { servingRuntimeContract, startRequest } from '../support/contracts/serving-runtime';
import { startFakeModel } from '../support/fake-model';

const never = new AbortController().signal;
const ours = startRequest().digest;
const other = `sha256:${'b'.repeat(64)}`;
const nameOf = (instance: string): string => instance.replace(/#.*$/, '#external');
const engine = openInferenceEngine({ limitBytes: 100_000 });

async function refusal(runtime: ServingRuntime, change: Parameters<typeof startRequest>[0]): Promise<unknown> {
  return await runtime.start(startRequest(change), never).then(
    () => 'it was started',
    (error: unknown) => error,
  );
}

async function stateOf(runtime: ServingRuntime, instance: string): Promise<InstanceState | undefined> {
  return (await runtime.inspect('mail')).instances.find((state) => state.instance === instance);
}

const stop = {
  title: 'refuses to stop what something else runs, and leaves it running',
  check: async ({ runtime }: { readonly runtime: ServingRuntime }) => {
    await runtime.start(startRequest(), never);
    for (const instance of ['mail@1.0#external', 'mail@1.0#zzz']) {
      const why = `${instance} is run by something else; lastgood does not stop it`;
      expect(await runtime.stop(instance, { graceMs: 5_000 })).toEqual({ outcome: 'refused', why });
    }
    expect(await stateOf(runtime, 'mail@1.0#external')).toMatchObject({ state: 'running' });
  },
};

const log = {
  title: 'has no log: it is where the instance runs',
  check: async ({ runtime }: { readonly runtime: ServingRuntime }) => {
    await runtime.start(startRequest(), never);
    expect(await runtime.logs('mail@1.0#external', 10_000)).toBe('');
  },
};

// A digest of a manifest and a fingerprint cannot be compared here; whoever asked for the copy judges what is found.
const otherDigest = {
  title: 'answers with the digest that it finds at the address, never with the one asked for',
  check: async ({ runtime }: { readonly runtime: ServingRuntime }) => {
    expect(await runtime.start(startRequest({ digest: other }), never)).toMatchObject({ digest: ours });
  },
};

servingRuntimeContract(
  'the external runtime, an address for each version,',
  async () => {
    const models = new Map([
      ['mail@1.0#external', await startFakeModel({ digest: ours, version: '1.0' })],
      ['mail@1.1#external', await startFakeModel({ digest: ours, version: '1.1' })],
    ]);
    const [first, second] = [...models.values()].map(({ address }) => address);
    const serves = { versions: { '1.0': first ?? '', '1.1': second ?? '' } };
    return {
      runtime: externalRuntime({ service: 'mail', model: 'mail', engine, serves }),
      nameOf,
      standing: [...models.keys()],
      kill: async (instance) => await models.get(nameOf(instance))?.close(),
      close: async () => {
        for (const model of models.values()) await model.close();
      },
    };
  },
  {
    stop,
    log,
    'other digest': otherDigest,
    'one service': {
      title:
        'refuses another service, a version without an address and one that does not answer; it starts none of them',
      check: async ({ runtime, kill }) => {
        const elsewhere = await refusal(runtime, { service: 'other', instance: 'other@1.0#c' });
        expect(elsewhere).toEqual(new ServingRefused('this runtime serves mail, not other'));
        expect(elsewhere).toBeInstanceOf(ServingRefused);
        const unknown = await refusal(runtime, { version: '9', instance: 'mail@9#d', digest: other });
        expect(unknown).toEqual(new ServingRefused('mail@9: no address is configured for it'));
        expect(unknown).toBeInstanceOf(ServingRefused);
        await kill('mail@1.1#external');
        const ended = await refusal(runtime, { version: '1.1', instance: 'mail@1.1#b' });
        expect(ended).toBeInstanceOf(ServingRefused);
        expect(String(ended)).toMatch(/mail@1\.1: GET http:\/\/127\.0\.0\.1:\d+\/v2\/models\/mail\/ready: ./);
        expect(await stateOf(runtime, 'mail@1.0#external')).toMatchObject({ state: 'running', exit: null });
        expect(await stateOf(runtime, 'mail@1.1#external')).toMatchObject({
          state: 'exited',
          exit: { code: 'unreachable' },
        });
        expect(await runtime.inspect('other')).toEqual({ instances: [], foreign: [] });
      },
    },
  },
);

servingRuntimeContract(
  'the external runtime, one address that tells its version,',
  async () => {
    const model = await startFakeModel({ digest: ours, version: '1.0' });
    const serves = { address: model.address };
    return {
      runtime: externalRuntime({ service: 'mail', model: 'mail', engine, serves }),
      nameOf,
      standing: ['mail@1.0#external'],
      kill: () => model.close(),
      close: () => model.close(),
    };
  },
  {
    stop,
    log,
    'other digest': otherDigest,
    'one service': {
      title: 'refuses the version that is not the one served there, and every one when nothing answers',
      check: async ({ runtime, kill }) => {
        const another = await refusal(runtime, { version: '1.1', instance: 'mail@1.1#b', digest: other });
        expect(another).toBeInstanceOf(ServingRefused);
        expect(String(another)).toMatch(/serves 1\.0 \(sha256:a+\), not 1\.1; lastgood does not start it/);
        await kill('mail@1.0#external');
        const ended = await refusal(runtime, {});
        expect(ended).toBeInstanceOf(ServingRefused);
        expect(String(ended)).toMatch(/mail@1\.0: GET http:\/\/127\.0\.0\.1:\d+\/v2\/models\/mail\/ready: ./);
        const { instances } = await runtime.inspect('mail');
        expect(instances).toMatchObject([{ state: 'exited', exit: { code: 'unreachable' } }]);
        expect(await runtime.inspect('other')).toEqual({ instances: [], foreign: [] });
      },
    },
  },
);
