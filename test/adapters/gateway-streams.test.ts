import { gatewayTelemetry } from '../../adapters/telemetry/gateway';
import { gatewayRouter } from '../../adapters/traffic/gateway';
import { startGateway, type GatewayProcess } from '../support/gateway-process';

/** More than the connections that calls share: each followed service holds one of its own. */
const SERVICES = 40;

let gateway: GatewayProcess;
const names = Array.from({ length: SERVICES }, (_, at) => `s${at}`);
beforeAll(async () => {
  gateway = await startGateway({ services: names.map((name) => ({ name })) });
}, 20_000);
afterAll(() => gateway.kill());

it('the telemetry of many services is followed at once, and the gateway can still be asked', async () => {
  const address = gateway.config.control as { socket: string };
  const options = { address, timeoutMs: 2_000, silenceMs: 3_000 };
  const telemetry = gatewayTelemetry(options);
  const router = gatewayRouter(options);
  const over = new AbortController();
  const alive = new Set<string>();
  const follow = async (name: string): Promise<void> => {
    for await (const row of telemetry.follow(name, 0, over.signal)) {
      if (row === null) alive.add(name);
      if (alive.size === SERVICES) over.abort();
    }
  };
  const following = Promise.allSettled(names.map(follow));
  // The same client that follows all of them.
  await expect(telemetry.window('s0', 0, 1)).resolves.toEqual([]);
  await expect(router.read('s1')).resolves.toMatchObject({ service: 's1' });
  await following;
  expect(alive.size).toBe(SERVICES);
  await Promise.all([telemetry.close(), router.close()]);
}, 20_000);
