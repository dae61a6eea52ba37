import type { ServiceView } from '../../../api/types';
import { judge } from '../../../cli/commands/gate';
import { nextAct } from '../../../cli/render/next-act';
import { renderStatus } from '../../../cli/render/status';
import { conditionOf, worstCode } from '../../../cli/service-condition';
import type { ServiceState } from '../../../domain/service/state';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { bulkVerdict, PlayedService, rolledBack, service } from './rollback-story';

const rigs: ApiRig[] = [];
const noTarget = {
  ready: false,
  target: null,
  warm: false,
  provenAt: null,
  expectedMs: null,
  why: 'there is no other',
};

async function rigOf(played: PlayedService): Promise<ApiRig> {
  const rig = await new ApiRig(played).listen();
  rigs.push(rig);
  return rig;
}

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
  removeTemporary();
});

/** 1.2 live, 1.1 standing by with a proof, everything measured and good. */
async function calm(policy: object = {}): Promise<PlayedService> {
  const played = await new PlayedService(policy).begun();
  await played.after(1_000).deployed('1.2');
  await played.standbyProven();
  await played.after(2_000).tiers();
  return played;
}

function viewOf(played: PlayedService, change: Partial<ServiceState> = {}): ServiceView {
  const status = played.status();
  return {
    service,
    model: 'triage',
    at: played.now,
    source: 'workflow',
    status: { ...status, state: { ...status.state, ...change } },
    gateway: null,
    entrance: null,
    notKnown: [],
  };
}

function codeOf(played: PlayedService, change: Partial<ServiceState> = {}): number {
  return conditionOf(viewOf(played, change), played.now).code;
}

test('status ends with 0 when the service is well and could be rolled back', async () => {
  const { code, out } = await (await rigOf(await calm())).run('status');
  expect(out.split('\n')[0]).toMatch(/^mail-triage: ready to roll back to 1\.1: warm, proof holds/);
  expect(code).toBe(0);
});

test('status ends with 1 while lastgood acts, and while the live version is degraded', async () => {
  const acting = await calm();
  await acting.message({ name: 'rollback', requestId: 'r', reason: 'by hand', actor: alice });
  expect(codeOf(acting)).toBe(1);
  const observed = await calm({ mode: 'observe' });
  await observed.degraded();
  expect(conditionOf(viewOf(observed), observed.now)).toMatchObject({ code: 1, word: 'degraded' });
});

test('status ends with 2 for everything that a person must do', async () => {
  const played = await calm();
  expect(codeOf(played, { breaker: { open: true, epoch: 1, openedAt: 1, incident: 'i' } })).toBe(2);
  expect(codeOf(played, { pausedWhy: 'the router has epoch 9' })).toBe(2);
  const confirming = await calm({ mode: 'confirm' });
  await confirming.degraded();
  expect(confirming.state.incident?.phase).toBe('awaiting-approval');
  expect(codeOf(confirming)).toBe(2);
  const hard = await calm({ mode: 'observe' });
  await hard.degraded({ ...bulkVerdict, metric: 'error-rate', tier: 'immediate', hard: true });
  expect(codeOf(hard)).toBe(2);
});

test('a version that serves although it must not is for a person, and the way out is one that there is', async () => {
  const played = await calm();
  await played.message({ name: 'revoke', version: '1.2', requestId: 'rv', reason: 'leaks', actor: alice });
  const versions = played.state.versions.map((facts) =>
    facts.version === '1.2' ? { ...facts, standing: 'revoked' as const, why: 'leaks' } : facts,
  );
  const view = viewOf(played, { versions, operation: null, incident: null });
  expect(conditionOf(view, played.now)).toMatchObject({ code: 2, reasons: ['1.2 serves and is revoked: leaks'] });
  expect(nextAct(view)).toEqual(['lastgood explain mail-triage', "lastgood rollback mail-triage --reason '…'"]);
  const alone = { ...view, status: view.status && { ...view.status, readiness: noTarget } };
  expect(nextAct(alone)[1]).toMatch(/^mend 1\.2 at http:\S+: there is no other version that may take over$/);
});

test('gate leaves a version that the service was not told of yet to the dry run of its deploy', async () => {
  const played = await calm();
  const view = viewOf(played);
  expect(judge(view, conditionOf(view, played.now), 'imported-a-moment-ago')).toMatchObject({ open: true });
});

test('a name that is not there is bad use, never a condition of a service', async () => {
  const rig = await rigOf(await calm());
  for (const args of [
    ['status', 'nope'],
    ['history', 'nope'],
    ['gate', 'mail-triage'],
    ['gate', 'nope@1'],
  ])
    expect([args, (await rig.run(...args)).code]).toEqual([args, 64]);
});

test('status ends with 3 when nothing can be measured, and says since when', async () => {
  const played = await calm();
  expect(codeOf(played, { unmeasuredSince: played.now - 90_000 })).toBe(3);
  expect(codeOf(played, { tiers: [] })).toBe(3);
  expect(codeOf(played, { tiers: played.state.tiers.map((tier) => ({ ...tier, kind: 'unmeasured' as const })) })).toBe(
    3,
  );
});

test('status ends with 4 when all is well but no rollback would be possible', async () => {
  const played = await calm({ mode: 'observe' });
  const { code, out } = await (await rigOf(played)).run('status');
  expect(code).toBe(4);
  expect(out).toMatch(/^mail-triage: NOT READY to roll back .*mode observe: lastgood only watches/);
});

test('the first line and the condition are read at a glance, however many versions and reasons there are', async () => {
  const played = await calm();
  const why = Array.from(
    { length: 9 },
    (_, at) => `1.${at}: failed; a false alarm of this size comes at most once in 30 days`,
  );
  const view = viewOf(played, {
    pausedWhy: why.join('; '),
    breaker: { open: true, epoch: 1, openedAt: 1, incident: 'i' },
  });
  const collectedAt = played.now;
  const services = [{ view, condition: conditionOf(view, collectedAt) }];
  const lines = renderStatus({ collectedAt, remarks: [], services });
  const condition = lines.find((line) => line.trim().startsWith('condition')) ?? '';
  expect(condition).toMatch(/needs a human: the breaker is open since incident i; and 1 more reason below$/);
  expect([lines[0], condition].map((line) => (line ?? '').length).filter((length) => length > 260)).toEqual([]);
});

test('what a person must do comes before what goes on by itself, and silence before both', () => {
  expect(worstCode([0, 4, 3])).toBe(3);
  expect(worstCode([1, 3, 2])).toBe(2);
  expect(worstCode([2, 69])).toBe(69);
  expect(worstCode([])).toBe(0);
});

test('status ends with 69 when the deciding workflow does not answer, and says what is not known', async () => {
  const rig = await rigOf(await calm());
  rig.decisionsDown = true;
  const { code, out } = await rig.run('status');
  expect(code).toBe(69);
  expect(out).toContain('not known whether it is ready to roll back (only the router answers)');
  expect(out).toContain('Temporal: connection refused');
});

test('every verb that needs the controller ends with 69 when no controller runs, and says how to start one', async () => {
  const rig = new ApiRig(await calm());
  for (const args of [
    ['status'],
    ['gate', 'mail-triage@1.2'],
    ['explain'],
    ['incidents'],
    ['history'],
    ['which', 'r1'],
    ['deploy', 'mail-triage@1.3', '--reason', 'x'],
    ['quarantine', 'list'],
    ['audit', 'verify'],
  ]) {
    const { code, err } = await rig.run(...args);
    expect([args[0], code]).toEqual([args[0], 69]);
    expect(err).toContain('no controller runs with this data directory');
    expect(err).toContain('lastgood up --config');
    expect(err).not.toContain('    at ');
  }
});

test('gate is open for a version that may be deployed and for a live one that is well, closed for the others', async () => {
  const rig = await rigOf(await calm());
  const next = await rig.run('gate', 'mail-triage@1.3');
  expect(next.code).toBe(0);
  expect(next.out).toMatch(/^mail-triage@1\.3: open: it may be deployed now\n {2}from 1\.2 to 1\.3/);
  expect((await rig.run('gate', '1.2')).out).toBe('mail-triage@1.2: open: it is live and well\n');
  expect(await rig.run('gate', 'mail-triage@9.9')).toMatchObject({ code: 2 });
  await rig.played.message({ name: 'revoke', version: '1.3', requestId: 'rv', reason: 'leaks', actor: alice });
  const revoked = await rig.run('gate', 'mail-triage@1.3', '--json');
  expect(revoked.code).toBe(2);
  expect(JSON.parse(revoked.out)).toMatchObject({ open: false, exitCode: 2 });
});

test('asking the gate leaves the ledger as it was', async () => {
  const rig = await rigOf(await calm());
  const before = rig.played.ledger.entries(service).length;
  await rig.run('gate', 'mail-triage@1.3');
  expect(rig.played.ledger.entries(service)).toHaveLength(before);
});

test('an act is accepted with 0, refused with 1 and its reason, planned with 0 and no change', async () => {
  const rig = await rigOf(await rolledBack());
  const planned = await rig.run('rollback', '--to', '1.1', '--reason', 'try', '--dry-run');
  expect(planned).toMatchObject({ code: 0 });
  expect(planned.out).toContain('Nothing was done (--dry-run).');
  expect(rig.played.state.operation).toBeNull();
  const refused = await rig.run('deploy', 'mail-triage@1.3', '--reason', 'again');
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.out).toContain('REFUSED: 1.3 is quarantined');
  const accepted = await rig.run('quarantine', 'clear', 'mail-triage@1.3', '--reason', 'repaired');
  expect(accepted).toMatchObject({ code: 0 });
  const entry = rig.played.ledger.entries(service).at(-1);
  expect(entry?.actor).toEqual({ name: 'alice', proof: 'unix-user', from: 'local socket' });
  expect(entry?.summary).toContain('repaired');
});

test('a rollback for which no version may be chosen is no success', async () => {
  const rig = await rigOf(await rolledBack());
  for (const version of ['1.1'])
    await rig.played.message({ name: 'revoke', version, requestId: version, reason: 'x', actor: alice });
  const { code, out } = await rig.run('rollback', '--reason', 'I must');
  expect(code).toBe(1);
  expect(out).toContain('no version may take the traffic');
});

test('approve ends with 0 when the rollback starts, and with 1 when nobody is left to move to', async () => {
  for (const left of [true, false]) {
    const rig = await rigOf(await calm({ mode: 'confirm' }));
    await rig.played.degraded();
    const incident = rig.played.state.incident?.id ?? '';
    if (!left) await rig.played.message({ name: 'revoke', version: '1.1', requestId: 'rv', reason: 'x', actor: alice });
    const { code, out } = await rig.run('approve', incident, '--reason', 'go');
    expect(out).toContain(left ? 'the rollback starts' : 'REFUSED: no version may take the traffic (1.1: ');
    expect(code).toBe(left ? 0 : 1);
    expect(rig.played.state.operation === null).toBe(!left);
  }
});

test('intervene retry ends with 0 when the rollback starts, and with 1 when nothing moves', async () => {
  const rig = await rigOf(await calm());
  const { played } = rig;
  const without = { ...played.state };
  await played.message({ name: 'revoke', version: '1.1', requestId: 'rv', reason: 'x', actor: alice });
  await played.degraded();
  const incident = played.state.incident?.id ?? '';
  expect(played.state.incident?.phase).toBe('waiting-for-human');
  const nobody = await rig.run('intervene', incident, 'retry', '--reason', 'once more', '--json');
  expect(nobody.code).toBe(1);
  expect(JSON.parse(nobody.out)).toMatchObject({ decision: 'refused', done: false });
  played.state = { ...played.state, mode: 'observe' };
  const held = await rig.run('intervene', incident, 'retry', '--reason', 'once more');
  expect(held).toMatchObject({ code: 1 });
  expect(held.out).toContain('REFUSED: nothing moves: mode observe');
  played.state = { ...played.state, mode: 'act', versions: without.versions, standby: without.standby };
  const started = await rig.run('intervene', incident, 'retry', '--reason', 'once more');
  expect(started).toMatchObject({ code: 0 });
  expect(started.out).toContain('the rollback starts');
});

test('which ends with 1 for an answer that is not known, and names the gap', async () => {
  const rig = await rigOf(await calm());
  rig.answers = {
    lookup: {
      known: false,
      why: 'its line was lost',
      gaps: [{ fromMs: rig.played.now - 60_000, toMs: rig.played.now - 30_000, why: 'the gateway was killed' }],
    },
    at: { at: rig.played.now, versions: [], gaps: [] },
  };
  const lookup = await rig.run('which', 'req-1');
  expect(lookup).toMatchObject({ code: 1 });
  expect(lookup.out).toContain('req-1: unknown: its line was lost');
  expect(lookup.out).toContain('the gateway was killed');
  expect((await rig.run('which', '--service', service, '--at', '10m ago')).code).toBe(1);
});

const alice = { name: 'alice', proof: 'unix-user', from: 'local socket' } as const;
