import { restoredEntry } from '../../../workers/backup/restored-entry';
import type { BackupManifest } from '../../../workers/backup/manifest';
import type { RecoveredState } from '../../../domain/service/recovery';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { rolledBack, service, type PlayedService } from './rollback-story';

const rigs: ApiRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});
afterAll(removeTemporary);

/** The backup was made while 1.3 was live; 1.2 is in force now. */
async function restored(): Promise<{ rig: ApiRig; played: PlayedService }> {
  const played = await rolledBack();
  const route = { service, epoch: 40, primary: '1.3', pins: [], backends: {} };
  const versions = played.state.versions.filter(({ version }) => version === '1.3');
  const state = { route, versions, mode: 'confirm', operation: { id: 'deploy-9' } } as unknown as RecoveredState;
  const manifest = { madeAt: played.now - 7_200_000, release: '0.1.0', host: 'here' } as BackupManifest;
  const actor = { name: 'ada', proof: 'unix-user', from: 'here' } as const;
  const about = { file: 'backup.tar.gz', manifest, actor, reason: 'the disk died', now: played.now };
  const head = { seq: 4, hash: 'ab'.repeat(32) };
  const backedUp = {
    service,
    head,
    entries: 4,
    breaks: [],
    highestEpoch: 60,
    mode: 'confirm',
    primary: '1.3',
  } as const;
  await played.ledger.append(
    restoredEntry(about, { ...backedUp, breaks: [] }, { state, drillSchedule: 'every 7 days', anchorBeyond: 9 }),
  );
  const rig = await new ApiRig(played).listen();
  rigs.push(rig);
  return { rig, played };
}

test('what was declared is compared with what is found, one sentence each, until a person accepts it', async () => {
  const { rig, played } = await restored();
  const before = await rig.run('restore', 'differences');
  expect(before).toMatchObject({ code: 2, err: '' });
  expect(before.out).toContain('restored by ada from a backup of');
  expect(before.out).toContain('(2 h old)');
  for (const line of [
    'route: the backup had declared 1.3, 1.2 is in force',
    'copies: nobody has looked yet whether the live version answers',
    'is not in the artifact store: lastgood artifacts import',
    'operation: deploy-9 was in flight when the backup was made; nobody carries it on',
    'drills: the schedule (every 7 days) was kept by Temporal and is gone',
    'ledger: an anchor outside knows 9 entries, the backup has 4',
  ])
    expect(before.out).toContain(line);

  const accepted = await rig.run('restore', 'accept', service, '--reason', 'looked at');
  expect(accepted).toMatchObject({ code: 0, err: '' });
  expect(played.state.mode).toBe('confirm');
  const entries = await played.ledger.read(service, { kinds: ['restore-accepted'] });
  expect(entries).toMatchObject([{ facts: { mode: 'confirm', reason: 'looked at' } }]);
  expect(entries[0]?.facts['differences']).toHaveLength(6);
  expect(await rig.run('restore', 'differences')).toMatchObject({ code: 0 });
  const again = await rig.run('restore', 'accept', service, '--reason', 'once more');
  expect(again).toMatchObject({ code: 1, err: expect.stringContaining('what differs was accepted at') as string });
});

test('a list that changed since it was looked at is not accepted, and nothing is written', async () => {
  const { rig, played } = await restored();
  const client = played.ledger;
  const entries = (await client.read(service)).length;
  const { mode } = played.state;
  const { out } = await rig.run('restore', 'differences', '--json');
  const digest = (JSON.parse(out) as { services: { digest: string }[] }).services[0]?.digest ?? '';
  const body = { requestId: 'r1', reason: 'x', seen: digest.replace(/^./, (first) => (first === '0' ? '1' : '0')) };
  const answer = await rig.post(`/v1/services/${service}/restoration/acceptance`, body);
  expect(answer).toMatchObject({
    status: 409,
    detail: expect.stringContaining('something else differs now') as string,
  });
  expect(await client.read(service)).toHaveLength(entries);
  expect(played.state.mode).toBe(mode);
});

test('where nothing was restored that is said, and a detach or restore without a reason is not made', async () => {
  const rig = await new ApiRig(await rolledBack()).listen();
  rigs.push(rig);
  expect(await rig.run('restore', 'differences')).toMatchObject({ code: 1, out: '' });
  expect(await rig.run('detach', service)).toMatchObject({ code: 64, out: '' });
  expect(await rig.run('restore', 'x.tar.gz', '--data', '/nowhere')).toMatchObject({ code: 64, out: '' });
  expect(await rig.run('backup')).toMatchObject({
    code: 64,
    err: expect.stringContaining('--out is needed') as string,
  });
  expect(await rig.run('attach', service, '--reason', 'x')).toMatchObject({
    code: 1,
    err: expect.stringContaining('is not detached') as string,
  });
});
