import type { ServiceView } from '../../../api/types';
import { pinnedLines } from '../../../cli/render/pinned-sessions';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { rolledBack, service } from './rollback-story';

const rigs: ApiRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
  removeTemporary();
});

/** After a rollback from 1.3 to 1.2, with a router that counts so many sessions. */
async function rigWith(pinned: (now: number) => ApiRig['pinned']): Promise<ApiRig> {
  const played = await rolledBack();
  const rig = new ApiRig(played);
  rig.pinned = pinned(played.now);
  rigs.push(rig);
  return await rig.listen();
}

const minute = 60_000;

test('status tells how many sessions are pinned to which version and how long they have left, as the router counts them', async () => {
  const rig = await rigWith((now) => ({
    // Those of the version in force stay where they are.
    '1.2': { sessions: 40, lastEndsAt: now + 60 * minute },
    '1.1': { sessions: 1, lastEndsAt: now + 90_000 },
    '1.3': { sessions: 12, lastEndsAt: now + 24 * minute },
  }));
  const { out } = await rig.run('status', service);
  const said = out.split('\n').filter((line) => line.includes('pinned to'));
  expect(said.map((line) => line.trim().replace(/until [\d:]+ UTC/, 'until T'))).toEqual([
    '12 sessions pinned to 1.3, the last one until T (24 min left)',
    '1 session pinned to 1.1, the last one until T (1 min 30 s left)',
  ]);
});

test('status --json has the same, and what has ended is in neither', async () => {
  const rig = await rigWith((now) => ({
    '1.1': { sessions: 3, lastEndsAt: now },
    '1.3': { sessions: 2, lastEndsAt: now + minute },
  }));
  const { out } = await rig.run('status', service, '--json');
  const { services } = JSON.parse(out) as { services: { pinnedSessions: unknown }[] };
  const lastEndsAt = rig.played.now + minute;
  expect(services[0]?.pinnedSessions).toEqual([{ version: '1.3', sessions: 2, lastEndsAt, leftMs: minute }]);
  expect((await rig.run('status', service)).out).not.toContain('pinned to 1.1');
});

test('without the router only the pins of the declared route are known, and that is said', () => {
  const declared = {
    pins: [
      { version: '1.3', until: 10 * minute },
      { version: '1.1', until: 1 },
    ],
  };
  const view = { service, gateway: null, status: { state: { declared } } } as unknown as ServiceView;
  expect(pinnedLines(view, 4 * minute)).toEqual([
    expect.stringMatching(/^old sessions may stay on 1\.3 until .* \(6 min left\); how many, only the router knows$/),
  ]);
});
