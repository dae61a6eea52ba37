import { join } from 'node:path';
import fc from 'fast-check';
import { mlflowRegistry } from '../../adapters/artifacts/mlflow/mlflow';
import { openAiEmbedder } from '../../adapters/embedding/openai';
import { askEngine } from '../../adapters/serving/docker/engine-facts';
import { openDockerRuntime } from '../../adapters/serving/docker/docker-runtime';
import { externalParts } from '../../adapters/serving/external-parts';
import { openAiEngine } from '../../adapters/serving/openai';
import { openInferenceEngine } from '../../adapters/serving/open-inference';
import { plainHttpEngine } from '../../adapters/serving/plain-http';
import { probeInstance } from '../../adapters/serving/probe';
import { tgiEngine } from '../../adapters/serving/tgi';
import { TritonServer } from '../../adapters/serving/triton/repository-api';
import { vllmEngine } from '../../adapters/serving/vllm';
import { isFiring } from '../../adapters/telemetry/alertmanager';
import { gatewayObservations } from '../../adapters/telemetry/gateway-observations';
import { gatewayTelemetry } from '../../adapters/telemetry/gateway';
import { prometheus } from '../../adapters/telemetry/prometheus';
import { gatewayRouter } from '../../adapters/traffic/gateway';
import type { Engine } from '../../activities/ports';
import { goodAnswers as good } from './good-answers';
import { hostileJsonText, mangled } from './hostile';
import { httpAnswer, HostileServer, jsonAnswer, wholeJsonAnswer } from './hostile-server';
import { refusedOrDone, surface, type SurfacePlan } from './surface';

type Call = (server: HostileServer, signal: AbortSignal) => Promise<unknown>;

const timeoutMs = 400;
const digest = `sha256:${'0'.repeat(64)}`;

/** What another system answers: a value, or a refusal in the adapter's own words, within its limit of time. */
export const adapterPlans: readonly SurfacePlan[] = [
  ...engine('open-inference', openInferenceEngine(), good.openInference),
  ...engine('openai', openAiEngine({ outputs: { text: 'choices[0].text' } }), good.openAi),
  ...engine('vllm', vllmEngine({ outputs: { text: 'choices[0].text' } }), [...good.openAi, ...good.vllm]),
  ...engine('tgi', tgiEngine({}), [...good.openAi, ...good.tgi]),
  ...engine(
    'plain-http',
    plainHttpEngine({
      readyPath: '/ready',
      inferPath: '/predict',
      outputs: { label: 'outputs[name=label].data[0]' },
      identity: { path: '/v2/models/{model}', digest: 'parameters.digest', version: 'versions[0]' },
    }),
    good.openInference,
  ),
  plan('triton', 3, jsonAnswer(good.triton), async ({ address }) => {
    const triton = new TritonServer(address, 'mail', timeoutMs);
    await settled(triton.facts(), triton.models());
  }),
  plan('prometheus', 4, jsonAnswer(good.prometheus), async ({ address: url }) => {
    const asked = { url, query: 'up' };
    await settled(prometheus({ timeoutMs }).range(asked, 0, 60_000, 15_000), prometheus({ timeoutMs }).now(asked));
  }),
  plan(
    'alertmanager',
    2,
    jsonAnswer(good.alertmanager),
    async ({ address: url }, signal) => await isFiring({ url, labels: { alertname: 'x' } }, signal),
  ),
  plan('mlflow', 5, jsonAnswer(good.mlflow), async ({ address: url }, signal) => {
    const registry = mlflowRegistry({
      url,
      model: 'mail',
      authorization: () => Promise.resolve(null),
      ca: null,
      timeoutMs,
    });
    try {
      const entry = { id: '1', tags: {}, run: 'r', version: '1', origin: 'models:/m-1' };
      await settled(
        registry.list(signal),
        registry.open(entry as never, signal).then((source) => source.files(signal)),
      );
    } finally {
      await registry.close();
    }
  }),
  plan(
    'embedder',
    2,
    jsonAnswer(good.embeddings),
    async ({ address }, signal) => await openAiEmbedder({ address, model: 'e', timeoutMs }).embed(['a', 'b'], signal),
  ),
  plan('external-part', 2, jsonAnswer([{ version: '7' }, { a: { b: 3 } }]), async ({ address }) => {
    const named = externalParts(() => ({ url: `${address}/{version}`, path: 'version' }));
    const plain = externalParts(() => ({ url: address, path: null }));
    await settled(named.version('mail', 'f', '1'), plain.version('mail', 'f', '1'));
  }),
  plan('gateway', 5, jsonAnswer(good.gateway), async ({ socket }, signal) => {
    const options = { address: { socket }, timeoutMs, silenceMs: 500 };
    const [router, telemetry, observations] = [
      gatewayRouter(options),
      gatewayTelemetry(options),
      gatewayObservations(options),
    ];
    try {
      const record = { service: 'mail', epoch: 1, primary: '1.0', pins: [], backends: {} };
      const follow = async (): Promise<void> => {
        for await (const row of telemetry.follow('mail', 0, signal)) if (row === null) return;
      };
      await settled(
        router.read('mail'),
        router.apply(record),
        router.entrance('mail'),
        router.drained('mail', '1.0'),
        router.fence('mail', 1),
        telemetry.window('mail', 0, 1),
        telemetry.answer('x'),
        telemetry.samples('mail', { limit: 1 }),
        observations.values('mail', 'm', 0, 1, 1),
        follow(),
      );
    } finally {
      await Promise.all([router.close(), telemetry.close(), observations.close()]);
    }
  }),
  plan('docker', 5, wholeJsonAnswer(good.docker), async ({ socket, directory }) => {
    const image = { reference: digest, archive: null };
    const template = {
      image,
      images: {},
      entrypoint: null,
      command: ['--port', '{port}'],
      env: {},
      user: null,
      network: 'bridge',
      port: 8000,
      artifactPath: '/artifact',
      memoryLimitBytes: null,
      sharedMemoryBytes: null,
      cpus: null,
      gpus: null,
      capabilities: [],
      readOnlyRoot: false,
      tmpfs: [],
      init: true,
      registryAuthFile: null,
    } as const;
    const runtime = await openDockerRuntime({
      connection: { socket },
      directory: join(directory, 'docker'),
      template,
      engineWaitMs: 200,
      startTimeoutMs: 500,
    });
    await settled(askEngine({ socket }, template), runtime.inspect('mail'));
  }),
];

/** Every call is made; the first that breaks is told, refusals only where all refuse. */
async function settled(...calls: readonly Promise<unknown>[]): Promise<void> {
  const done = await Promise.allSettled(calls);
  const faults = done.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  const worst =
    faults.find(
      (fault) =>
        fault instanceof TypeError ||
        fault instanceof RangeError ||
        fault instanceof SyntaxError ||
        fault instanceof ReferenceError,
    ) ?? faults[0];
  if (worst !== undefined) throw worst as Error;
}

function engine(name: string, made: Engine, answers: readonly unknown[]): SurfacePlan[] {
  const text = fc.oneof(
    { weight: 3, arbitrary: hostileJsonText(answers) },
    { weight: 1, arbitrary: mangled([good.exposition]) },
  );
  return [
    plan(name, 4, httpAnswer(text), async ({ address }) => {
      const limits = { timeoutMs };
      const body = { inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['x'] }], prompt: 'x' };
      const probes = [{ id: 'p', request: body, expect: { output: 'label', value: 'spam' } }];
      await settled(
        made.ready(address, 'mail', limits),
        made.identity(address, 'mail', limits),
        made.infer(address, 'mail', body, limits),
        made.work?.(address, limits) ?? Promise.resolve(),
        made.askTokens?.(address, 'mail', { request: body, text: 'x' }, limits) ?? Promise.resolve(),
        probeInstance(made, address, 'mail', { timeoutMs, expectedDigest: null, probes }),
      );
    }),
  ];
}

function plan(name: string, weight: number, inputs: fc.Arbitrary<Buffer>, call: Call): SurfacePlan {
  return {
    name: `adapters.${name}`,
    weight,
    open: async () => {
      const server = await HostileServer.start();
      return surface({
        name,
        inputs,
        meet: async (says) => {
          server.says = says;
          const over = new AbortController();
          try {
            return await refusedOrDone(() => call(server, over.signal));
          } finally {
            over.abort();
          }
        },
        close: () => server.stop(),
      });
    },
  };
}
