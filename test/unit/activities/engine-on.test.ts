import { engineOn } from '../../../activities/engine-on';
import type { Engine } from '../../../activities/ports';

interface Asked {
  readonly model: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: unknown;
}

function recording(): { engine: Engine; asked: Asked[] } {
  const asked: Asked[] = [];
  const engine: Engine = {
    name: 'recording',
    ready: (_address, model) => {
      asked.push({ model });
      return Promise.resolve({ ready: true, why: '' });
    },
    identity: (_address, model) => {
      asked.push({ model });
      return Promise.resolve({ digest: null, version: null, means: 'model-metadata' });
    },
    infer: (_address, model, body, { headers }) => {
      asked.push({ model, headers, body });
      return Promise.resolve({ status: 200, ms: 1, outputs: {}, headers: {} });
    },
  };
  return { engine, asked };
}

const limits = { timeoutMs: 10 };
const address = 'http://127.0.0.1:8000';

test('a copy with an address of its own is asked as the service names the model', () => {
  const { engine } = recording();
  expect(engineOn(engine, {})).toBe(engine);
});

test('a version of a model in Triton is asked for by its path, for readiness, identity and inference', async () => {
  const { engine, asked } = recording();
  const selector = { by: 'path', from: '/v2/models/mail', to: '/v2/models/mail/versions/3' } as const;
  const selected = engineOn(engine, { selector });
  await selected.ready(address, 'mail', limits);
  await selected.identity(address, 'mail', limits);
  await selected.infer(address, 'mail', {}, limits);
  expect(asked.map(({ model }) => model)).toEqual(['mail/versions/3', 'mail/versions/3', 'mail/versions/3']);
});

test('a path that says nothing of the model leaves its name', async () => {
  const { engine, asked } = recording();
  await engineOn(engine, { selector: { by: 'path', from: '/mail', to: '/v3/mail2' } }).ready(address, 'triage', limits);
  expect(asked).toEqual([{ model: 'triage' }]);
});

test('an adapter is asked for by its own name, and a header goes with each inference', async () => {
  const { engine, asked } = recording();
  const byModel = engineOn(engine, { selector: { by: 'model', public: 'bot', name: 'bot@v2' } });
  await byModel.infer(address, 'bot', {}, limits);
  const byHeader = engineOn(engine, { selector: { by: 'header', header: 'x-version', value: 'v2' } });
  await byHeader.infer(address, 'bot', {}, { ...limits, headers: { 'x-lastgood-mirror': '1' } });
  expect(asked[0]?.model).toBe('bot@v2');
  expect(asked[1]).toMatchObject({ model: 'bot', headers: { 'x-lastgood-mirror': '1', 'x-version': 'v2' } });
});

test('a request of a client, which says the public name, is replayed on an adapter under its own', async () => {
  const { engine, asked } = recording();
  const sampled = { model: 'bot', messages: [{ role: 'user', model: 'bot' }] };
  await engineOn(engine, { selector: { by: 'model', public: 'bot', name: 'bot@v2' } }).infer(
    address,
    'bot',
    sampled,
    limits,
  );
  expect(asked[0]).toMatchObject({ model: 'bot@v2' });
  expect(asked[0]?.body).toEqual({ messages: sampled.messages });
});
