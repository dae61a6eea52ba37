import { removeTemporary } from '../../support/temporary';
import { until } from '../../support/poll';
import { ApiRig, type Run } from './api-rig';
import { bulkVerdict, PlayedService, service } from './rollback-story';

const alice = { name: 'alice', proof: 'unix-user', from: 'local socket' } as const;
const rigs: ApiRig[] = [];

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
  removeTemporary();
});

/** 1.2 live, 1.1 standing by with a proof, everything measured and good. */
async function calm(policy: object = {}): Promise<ApiRig> {
  const played = await new PlayedService(policy).begun();
  await played.after(1_000).deployed('1.2');
  await played.standbyProven();
  await played.after(2_000).tiers();
  const rig = await new ApiRig(played).listen();
  rigs.push(rig);
  return rig;
}

test('status -w paints again and again, and with --timeout ends as soon as all is ok', async () => {
  const rig = await calm();
  const { unmeasuredSince } = rig.played.state;
  rig.played.state = { ...rig.played.state, unmeasuredSince: rig.played.now - 60_000 };
  let pages = 0;
  rig.onPage = () => {
    pages += 1;
    if (pages === 2) rig.played.state = { ...rig.played.state, unmeasuredSince };
  };
  const { code, out } = await rig.run('status', '-w', '--every', '1ms', '--timeout', '1h');
  expect(code).toBe(0);
  expect(pages).toBe(3);
  expect(out.match(/no telemetry for 60 s/g)).toHaveLength(2);
  expect(out.match(/^ *condition +ok/gm)).toHaveLength(1);
});

test('status -w that is over before all is ok ends with the code of what it saw last', async () => {
  const rig = await calm();
  rig.played.state = { ...rig.played.state, unmeasuredSince: rig.played.now - 60_000 };
  rig.onPage = () => void rig.played.after(40_000);
  const { code, out } = await rig.run('status', '-w', '--every', '1ms', '--timeout', '1m');
  expect(code).toBe(3);
  expect(out.match(/no telemetry for/g)).toHaveLength(2);
});

test('gate ends with 1 while the service is degraded, 3 while it is not measured, 4 where no rollback would be possible', async () => {
  const degraded = await calm({ mode: 'observe' });
  await degraded.played.degraded(bulkVerdict);
  const unmeasured = await calm();
  unmeasured.played.state = { ...unmeasured.played.state, tiers: [] };
  const unready = await calm({ mode: 'observe' });
  for (const [rig, code, why] of [
    [degraded, 1, 'recall of bulk fell from 93 % to 78 %'],
    [unmeasured, 3, 'no tier has reported yet'],
    [unready, 4, 'mode observe: lastgood only watches'],
  ] as const) {
    expect(await rig.run('gate', `${service}@1.3`)).toMatchObject({
      code,
      out: `${service}@1.3: CLOSED: ${why}\n`,
    });
    expect(await rig.run('gate', `${service}@1.2`)).toMatchObject({ code });
  }
});

/** Runs an act with `--wait`; what happens meanwhile is played once the act was decided. */
async function waited(rig: ApiRig, args: readonly string[], meanwhile: () => Promise<void>): Promise<Run> {
  const run = rig.run(...args, '--wait', '--reason', 'a test');
  await until('the decision', () => rig.played.state.operation ?? rig.played.state.queued);
  await meanwhile();
  return run;
}

test('--wait prints the steps and ends with 0 when the rollback has settled', async () => {
  const rig = await calm();
  const { code, out } = await waited(rig, ['rollback'], () => rig.played.operation('1.1', 'rollback'));
  expect(out).toMatch(/rolls back to 1\.1[^]*validate of 1\.1 succeeded[^]*settled/);
  expect(code).toBe(0);
});

test('--wait ends with 2 when the operation waits for a person', async () => {
  const rig = await calm();
  const { code, out } = await waited(rig, ['rollback'], () =>
    rig.played.report({ type: 'waiting', step: 'verify', why: '1.1 answers wrongly', primary: '1.2' }),
  );
  expect(out).toContain('verify: 1.1 answers wrongly');
  expect(code).toBe(2);
});

test('--wait ends with 1 when the deploy came to nothing', async () => {
  const rig = await calm();
  const { code, out } = await waited(rig, ['deploy', '1.3'], () => failed(rig, 'its probes failed'));
  expect(out).toContain('its probes failed');
  expect(code).toBe(1);
});

test('--after --wait waits for the deploy that was queued, not for the end of what it is queued behind', async () => {
  const rig = await calm();
  const { played } = rig;
  await played.message({ name: 'deploy', version: '1.1', requestId: 'd', reason: 'first', actor: alice });
  let ended = false;
  const run = waited(rig, ['deploy', '1.3', '--after'], async () => {
    await until('the queue', () => played.state.queued);
    await failed(rig, 'the first came to nothing');
    await until('the queued deploy', () => played.state.operation?.candidates[0] === '1.3');
    expect(ended).toBe(false);
    await played.operation('1.3', 'deploy');
  }).finally(() => (ended = true));
  const { code, out } = await run;
  expect(out).toMatch(/queued after[^]*the first came to nothing[^]*1\.3 is live/);
  expect(code).toBe(0);
});

test('--after --wait ends with 1 when the queued deploy is taken back', async () => {
  const rig = await calm();
  const { played } = rig;
  await played.message({ name: 'deploy', version: '1.1', requestId: 'd', reason: 'first', actor: alice });
  const run = waited(rig, ['deploy', '1.3', '--after'], async () => {
    await until('the queue', () => played.state.queued);
    played.state = { ...played.state, operation: null };
    await played.message({ name: 'cancel', requestId: 'c', reason: 'not now', actor: alice });
  });
  expect((await run).code).toBe(1);
});

async function failed(rig: ApiRig, why: string): Promise<void> {
  await rig.played.report({
    type: 'ended',
    outcome: 'failed',
    record: null,
    why,
    idle: [],
    verified: null,
  });
}
