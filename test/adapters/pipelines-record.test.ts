import { gatewayRecordPipeline } from '../../adapters/pipelines/gateway-record';
import { listAll, orderOf } from '../support/contracts/pipeline';
import { route, startGateway, type GatewayProcess } from '../support/gateway-process';
import { until } from '../support/poll';
import { Upstream } from '../support/upstreams';

jest.setTimeout(60_000);

describe('the answer record as a pipeline', () => {
  let gateway: GatewayProcess;
  let upstream: Upstream;
  const begun = Date.now();

  beforeAll(async () => {
    upstream = await Upstream.start('1.3');
    gateway = await startGateway({ services: [{ name: 'mail', itemHeader: 'x-item-id', itemField: 'meta.item' }] });
    await gateway.apply(route(1, '1.3', { '1.3': [upstream.backend()] }));
  });
  afterAll(async () => {
    await gateway.stop();
    await upstream.kill();
  });

  async function ask(item: string | null, body: object = {}): Promise<void> {
    const headers = { 'content-type': 'application/json', ...(item !== null && { 'x-item-id': item }) };
    const answer = await fetch(`${gateway.address()}/v2/models/mail/infer`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    await answer.arrayBuffer();
    expect(answer.status).toBe(200);
  }

  it('lists the items that a version answered, named by header or field, in pages, and flags them', async () => {
    await ask('item "1"');
    await ask(null, { meta: { item: 'item 2' } });
    await ask(null);
    await ask('item 3');
    const address = { socket: (gateway.config.control as { socket: string }).socket };
    const pipeline = gatewayRecordPipeline({ address, service: 'mail' });
    const window = { version: '1.3', fromMs: begun, toMs: Date.now() + 60_000 };
    try {
      // Lines are written some milliseconds after their answers.
      const units = await until('three items', async () => {
        const found = await listAll(pipeline, 2, window);
        return found.length === 3 ? found : null;
      });
      expect(units.map(({ id }) => id)).toEqual(['item "1"', 'item 2', 'item 3']);
      expect(await listAll(pipeline, 2, { ...window, version: '1.2' })).toEqual([]);
      expect(await listAll(pipeline, 2, { ...window, toMs: begun })).toEqual([]);

      const treated = await pipeline.treat(orderOf({ action: 'flag' }), units, new AbortController().signal);

      expect(treated.map(({ item, outcome }) => [item, outcome])).toEqual(units.map(({ id }) => [id, 'flagged']));
      expect(treated[0]?.why).toContain(`request ${units[0]?.ref ?? '?'}`);
    } finally {
      await pipeline.close();
    }
  });
});
