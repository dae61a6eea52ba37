import { removeTemporary } from '../../support/temporary';
import { until } from '../../support/poll';
import { ApiRig } from './api-rig';
import { PlayedService, service } from './rollback-story';

const rigs: ApiRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
  removeTemporary();
});

async function calm(): Promise<ApiRig> {
  const played = await new PlayedService({}).begun();
  await played.after(1_000).deployed('1.2');
  await played.standbyProven();
  await played.after(2_000).tiers();
  const rig = await new ApiRig(played).listen();
  rigs.push(rig);
  return rig;
}

test('tells decisions and changes of the condition as they come, also across a restart of the controller, and none twice', async () => {
  const rig = await calm();
  const { ledger } = rig.played;
  const before = ledger.entries(service).length;
  const running = rig.run('watch', '--timeout', '5s', '--after', String(before - 1));
  await until('the first condition', () => rig.written.out.includes('condition ok'));
  const tell = async (key: string): Promise<void> => {
    await ledger.append({
      ...{ service, key, at: rig.played.now, kind: 'operator-act', incident: null, facts: {} },
      ...{ actor: { name: 'ada', proof: 'token', from: 'x' }, summary: `ada did ${key}` },
    });
  };
  await tell('this');
  await until('the entry', () => rig.written.out.includes('ada did this'));
  await rig.close();
  await tell('that');
  rig.played.state = { ...rig.played.state, unmeasuredSince: rig.played.now - 60_000 };
  await rig.listen();
  const { code, out, err } = await running;
  expect(code).toBe(3);
  expect(out.match(/operator-act {2}ada did this — ada/g)).toHaveLength(1);
  expect(out.match(/ada did that — ada/g)).toHaveLength(1);
  expect(out.match(/condition/g)).toHaveLength(2);
  expect(out).toContain('condition unmeasured: no telemetry for');
  expect(err).toContain('the controller stops');
  expect(err).toContain('asks again');
}, 15_000);

test('as JSON is one event a line; what cannot be watched is refused', async () => {
  const rig = await calm();
  const { code, out } = await rig.run('watch', '--json', '--timeout', '300ms');
  expect(code).toBe(0);
  const [first] = out
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  expect(first).toMatchObject({ event: 'status', data: { service, source: 'workflow' } });
  expect(await rig.run('watch', 'spam')).toMatchObject({
    code: 64,
    err: expect.stringContaining('found "spam"') as string,
  });
  expect((await rig.run('watch', '--after', 'x')).code).toBe(64);
  expect((await rig.run('watch', '--after', '99999')).err).toContain('found 99999, but the ledger');
  await rig.close();
  expect(await rig.run('watch')).toMatchObject({ code: 69, err: expect.stringContaining('no socket') as string });
});
