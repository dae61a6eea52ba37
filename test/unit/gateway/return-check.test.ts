import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReturnCheck } from '../../../gateway/return-check';
import type { Peer } from '../../../gateway/peers';
import { RouteStore } from '../../../gateway/route-store';
import type { Service } from '../../../gateway/service';
import { Storage } from '../../../gateway/storage';
import { TelemetryStore } from '../../../gateway/telemetry-store';
import { until } from '../../support/poll';

const unhandled: unknown[] = [];
const noted = (fault: unknown): void => void unhandled.push(fault);
beforeEach(() => void process.on('unhandledRejection', noted));
afterEach(() => void process.off('unhandledRejection', noted));

const record = {
  service: 'mail',
  epoch: 5,
  primary: '2.0',
  pins: [],
  backends: { '2.0': [{ address: 'http://127.0.0.1:1', instance: 'mail@2.0#1', digest: `sha256:${'0'.repeat(64)}` }] },
};

test('a gateway whose disk refuses the record of its peers serves by it from memory, says since when, and writes it once it can', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'lastgood-return-'));
  const storage = new Storage(directory);
  storage.ensureService('mail');
  const telemetry = new TelemetryStore(storage, 'mail');
  const route = new RouteStore(storage, telemetry, 'mail');
  let isFull = true;
  const append = telemetry.append.bind(telemetry);
  jest.spyOn(telemetry, 'append').mockImplementation((...given) => {
    if (isFull) throw new Error('database or disk is full');
    return append(...given);
  });
  const service = {
    config: { name: 'mail' },
    route,
    apply: (input: unknown, now: number) => route.apply(input, now),
    takeUnwritten: (input: typeof record, now: number) => route.takeUnwritten(input, now),
  };
  const peer = { state: () => Promise.resolve({ record, floor: 5 }), close: () => undefined };
  const limits = { leaseMs: 60_000, holdMaxMs: 1_500 };
  const check = new ReturnCheck([service as unknown as Service], [peer as unknown as Peer], limits);
  const written = (): unknown => new RouteStore(storage, telemetry, 'mail').record;
  try {
    check.start();
    await check.settled();
    expect(check.held(performance.now())).toBeNull();
    expect(check.ended).toEqual({ took: 0, own: 0, alone: 1 });
    expect(check.uncheckedSinceMs).toEqual(expect.any(Number));
    expect(route.record).toEqual(record);
    expect(written()).toBeNull();
    expect(() => route.apply(record, 1)).toThrow('disk is full');
    isFull = false;
    await until('the record on disk', () => check.uncheckedSinceMs === null);
    expect(written()).toEqual(record);
    expect(route.floor).toBe(5);
    expect(unhandled).toEqual([]);
  } finally {
    check.stop();
    route.stop();
    storage.close();
    rmSync(directory, { recursive: true });
  }
});
