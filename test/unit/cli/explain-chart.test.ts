import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { rolledBack, service } from './rollback-story';

let rig: ApiRig;
let incident: string;
beforeAll(async () => {
  const played = await rolledBack();
  rig = await new ApiRig(played).listen();
  incident = played.ledger.entries(service).find(({ kind }) => kind === 'rollback-decided')?.incident ?? '';
});
afterAll(async () => {
  await rig.close();
  removeTemporary();
});

test('an incident without a picture says so, and ends with 1', async () => {
  const { code, err } = await rig.run('explain', incident, '--chart', join(rig.directory, 'none.svg'));
  expect(code).toBe(1);
  expect(err).toContain(`no picture of incident "${incident}" of ${service} is on record`);
});

test('the picture is written into a new file, and a file that is there is left alone', async () => {
  const digest = 'sha256:1';
  rig.pictures.set(digest, '<svg>errors</svg>');
  await rig.played.ledger.append({
    service,
    key: 'chart/1',
    at: rig.played.now,
    kind: 'evidence-kept',
    incident,
    actor: { name: 'lastgood', proof: 'lastgood', from: 'controller' },
    summary: 'picture kept',
    facts: { chart: { digest, bytes: 17, media: 'image/svg+xml' } },
  });
  const file = join(rig.directory, 'incident.svg');
  const { code, out } = await rig.run('explain', '--chart', file, '--json');
  expect([code, JSON.parse(out)]).toEqual([0, { service, incident, file, bytes: 17 }]);
  expect(readFileSync(file, 'utf8')).toBe('<svg>errors</svg>');
  const again = await rig.run('explain', incident, '--chart', file);
  expect(again).toMatchObject({ code: 64, err: expect.stringContaining('is there already') as string });
  const told = await rig.run('explain', incident);
  expect(told.out).toContain(`as a picture: lastgood explain ${incident} --service ${service} --chart FILE.svg`);
  expect(told.out).not.toContain('evidence-kept');
});
