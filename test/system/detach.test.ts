import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { readFileSync } from 'node:fs';
import type { LedgerPage } from '../../api/types';
import { answers, endUsers, expectNothingLost, users } from '../support/counted-users';
import { compiledProduct, type UpProcess } from '../support/embedded';
import { deployMail, embeddedMail, mailView } from '../support/embedded-mail';
import { lastgood } from '../support/lastgood-cli';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

let dist: string;
let up: UpProcess;

beforeAll(async () => {
  dist = await compiledProduct();
  up = embeddedMail(dist, 'detach');
}, 120_000);

afterEach(endUsers);

afterAll(async () => {
  await up.cleanUp();
  removeTemporary();
});

async function running(ids: readonly string[]): Promise<string[]> {
  const { server } = JSON.parse(readFileSync(up.paths.temporalRecord, 'utf8')) as { server: { address: string } };
  const connection = await Connection.connect({ address: server.address });
  try {
    const client = new Client({ connection, namespace: 'lastgood' });
    const states = await Promise.all(ids.map((id) => client.workflow.getHandle(id).describe()));
    return ids.filter((_id, index) => states[index]?.status.name === 'RUNNING');
  } finally {
    await connection.close();
  }
}

const settled = (): Promise<true> =>
  until('the deploy to settle', async () => (await mailView(up)).status?.state.operation === null, 60_000);

test('detached under traffic, no request is lost, nothing of lastgood decides, and the copy serves on when lastgood is gone', async () => {
  const config = join(up.dir, 'lastgood.yaml');
  await up.start();
  // Somebody asks, so that a deploy is verified at once.
  const load = users(await deployMail(up, '1.0'));
  await settled();
  await deployMail(up, '1.1');
  await settled();
  await answers(load);
  const planned = await lastgood(
    dist,
    'detach',
    'mail',
    '--force',
    '--reason',
    'a test',
    '--dry-run',
    '--config',
    config,
  );
  expect(planned).toMatchObject({ code: 0, err: '' });

  // Sessions that began on 1.0 may stay there for a while: that is what --force ends.
  const detached = await lastgood(dist, 'detach', 'mail', '--force', '--reason', 'we leave', '--config', config);
  expect(detached).toMatchObject({ code: 0, err: '' });
  const address = /serves on: (http:\S+)/.exec(detached.out)?.[1] ?? '';
  await answers(load);
  const { gateway, status, notKnown } = await mailView(up);
  expect(gateway?.record).toMatchObject({
    primary: '1.1',
    pins: [],
    detached: { since: expect.any(Number) as number },
  });
  expect(Object.keys(gateway?.record?.backends ?? {})).toEqual(['1.1']);
  expect(status).toBeNull();
  expect(notKnown[0]).toMatch(/^lastgood is detached from it and decides nothing/);
  const rows = gateway?.lastSeq;
  await answers(load);
  await expectNothingLost(load);
  expect((await mailView(up)).gateway?.lastSeq).toBe(rows);
  await until('nobody decides', async () => (await running(['service/mail', 'detection/mail'])).length === 0, 45_000);
  const { json } = await up.api('GET', '/v1/services/mail/ledger?newestFirst=1&limit=1');
  expect((json as LedgerPage).entries).toMatchObject([
    { kind: 'detached', facts: { stage: 'ended', primary: '1.1', addresses: [address] } },
  ]);
  const copies = (json as LedgerPage).entries[0]?.facts['copies'] as { instance: string; outcome: string }[];
  expect(copies.filter(({ outcome }) => outcome === 'released')).toMatchObject([
    { instance: expect.stringContaining('1.1') as string },
  ]);
  expect(copies.filter(({ outcome }) => outcome === 'left')).toEqual([]);

  expect(await up.end('SIGTERM')).toBe('0');
  await expectNothingLost(users(address));
  expect(up.processes()).not.toEqual([]);

  // Begun again it leaves the service alone, until somebody attaches it: as one that something else runs.
  await up.start();
  await expectNothingLost(users((await mailView(up)).entrance ?? ''));
  expect(await running(['service/mail'])).toEqual([]);
  expect(await lastgood(dist, 'attach', 'mail', '--reason', 'we are back', '--config', config)).toMatchObject({
    code: 0,
    err: '',
  });
  const state = await until(
    'it decides again',
    async () => {
      const found = (await mailView(up)).status?.state;
      return found?.pausedWhy ? found : null;
    },
    60_000,
  );
  expect(state.pausedWhy).toBe('the router has a route, the ledger has none');
  expect(state.foreign?.primary).toBe('1.1');
  expect(await lastgood(dist, 'resume', 'mail', '--reason', 'it is right', '--config', config)).toMatchObject({
    code: 0,
  });
  const record = await until(
    'a route of its own',
    async () => {
      const found = (await mailView(up)).gateway?.record;
      return found?.detached === undefined ? found : null;
    },
    60_000,
  );
  expect(record?.primary).toBe('1.1');
  await expectNothingLost(users((await mailView(up)).entrance ?? ''));
  expect(await up.end('SIGTERM')).toBe('0');
}, 300_000);
