import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { askExternal } from '../../../cli/checks/external-parts';
import type { ServiceConfiguration } from '../../../workers/configuration/configuration';

describe('parts outside, as validate asks them', () => {
  let server: Server;
  let url: string;
  beforeAll(async () => {
    server = createServer((req, res) => res.end(req.url === '/features' ? 'v4' : ''));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  const check = async (declared: readonly (readonly { name: string; version: string }[])[]) => {
    const external = {
      features: { url: `${url}/features`, path: null },
      silent: { url: `${url}/nothing`, path: null },
    };
    const service = { name: 'mail', external } as unknown as ServiceConfiguration;
    const versions = declared.map((parts, at) => ({ version: `1.${at}`, external: parts }));
    return await askExternal(service, { list: async () => versions as never });
  };

  it('are judged by the newest version that declares them', async () => {
    const [old, now] = [[{ name: 'features', version: 'v3' }], [{ name: 'features', version: 'v4' }]];
    expect((await check([old, now]))[0]).toMatchObject({ level: 'ok', said: 'features v4' });
    const [first] = await check([now, old]);
    expect(first?.level).toBe('warning');
    expect(first?.said).toContain('features has version v4, mail@1.1 needs v3');
  });

  it('are unmeasured where no version declares them, and told where they say nothing', async () => {
    const [features, silent] = await check([[{ name: 'silent', version: 'v1' }]]);
    expect(features).toMatchObject({ level: 'not measured', said: 'no version in the store declares it' });
    expect(silent?.level).toBe('warning');
    expect(silent?.said).toContain('does not say its version');
  });
});
