import { webhookPipeline, type WebhookPipelineOptions } from '../../adapters/pipelines/webhook';
import {
  itemsOf,
  listAll,
  orderOf,
  pipelineContract,
  window,
  type PipelineSubject,
} from '../support/contracts/pipeline';
import { ScriptedModel } from '../support/pipelines/scripted-model';
import { WebhookReceiver } from '../support/pipelines/webhook-receiver';

jest.setTimeout(60_000);

const signal = new AbortController().signal;
const receivers: WebhookReceiver[] = [];
afterEach(async () => {
  await Promise.all(receivers.splice(0).map((one) => one.stop()));
});

async function subject(
  change: Partial<WebhookPipelineOptions> = {},
): Promise<PipelineSubject & { receiver: WebhookReceiver }> {
  const receiver = await WebhookReceiver.start();
  receivers.push(receiver);
  const model = new ScriptedModel();
  const pipeline = webhookPipeline({
    url: `${receiver.url}/`,
    honoursKey: true,
    timeoutMs: 10_000,
    unit: 'item',
    concurrency: 4,
    ...change,
    models: model,
  });
  return {
    pipeline,
    model,
    receiver,
    fill: async (items) => Promise.resolve(void (receiver.items = [...items])),
    effects: async () => Promise.resolve(new Map([...receiver.effects].sort(([a], [b]) => (a < b ? -1 : 1)))),
  };
}

pipelineContract('a webhook', () => subject());

describe('a webhook', () => {
  it('promises exactly once only where the receiver honours the key', async () => {
    expect((await subject()).pipeline.guarantee.kind).toBe('exactly-once');
    expect((await subject({ honoursKey: false })).pipeline.guarantee.kind).toBe('at-least-once');
  });

  it('has one effect although the answer to the first call got lost', async () => {
    const { pipeline, fill, receiver, effects } = await subject();
    await fill(itemsOf(3));
    const units = await listAll(pipeline);
    receiver.cutAfterRedo = 1;
    await expect(pipeline.treat(orderOf(), units, signal)).rejects.toMatchObject({ name: 'PipelineUnreachable' });

    await pipeline.treat(orderOf(), units, signal);

    expect([...(await effects()).values()].map((results) => results.length)).toEqual([1, 1, 1]);
  });

  it('flags an id that occurs twice', async () => {
    const { pipeline, fill, effects } = await subject();
    await fill([...itemsOf(2), ...itemsOf(1)]);

    const treated = await pipeline.treat(orderOf(), await listAll(pipeline), signal);

    expect(treated.map(({ item, outcome }) => [item, outcome])).toEqual([
      ['item-0000', 'flagged'],
      ['item-0001', 'redone'],
    ]);
    expect([...(await effects()).keys()]).toEqual(['item-0001']);
  });

  it('says what it was refused, and waits for a receiver that is in trouble', async () => {
    const { pipeline, receiver } = await subject();
    receiver.failing = { path: '/items', status: 401 };
    await expect(pipeline.list(window, null, 5)).rejects.toMatchObject({ name: 'PipelineRefused' });
    receiver.failing = { path: '/items', status: 503 };
    await expect(pipeline.list(window, null, 5)).rejects.toMatchObject({ name: 'PipelineUnreachable' });
  });

  it('sends its token, and nothing of the items but their ids and results', async () => {
    const { pipeline, fill, receiver } = await subject({ token: () => 'secret' });
    await fill(itemsOf(1));
    await pipeline.treat(orderOf(), await listAll(pipeline), signal);
    expect(new Set(receiver.headers)).toEqual(new Set(['Bearer secret']));
  });
});
