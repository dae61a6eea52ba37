import { hour, servicePolicy } from '../../support/service-policy';
import { serviceWithStandby, ServiceSimulator, storedVersion, START } from '../../support/service-simulator';
import { nextWakeAt } from '../../../domain/service/timers';
import type { ServicePolicy } from '../../../domain/policy';

const minute = 60_000;

/** One version, live, nobody beside it. */
function alone(policy?: ServicePolicy): ServiceSimulator {
  const simulator = new ServiceSimulator(policy);
  simulator.stored = [storedVersion('1.0', START - 9e8)];
  simulator.loseService();
  simulator.say('deploy', { version: '1.0' });
  simulator.runOperation();
  simulator.tiers('ok');
  simulator.live('answers');
  return simulator;
}

/** Live and standby die together, and the failed proof is known. */
function bothDead(): ServiceSimulator {
  const simulator = serviceWithStandby();
  simulator.live('answers');
  simulator.proof(false);
  simulator.live('dead');
  return simulator;
}

function revivals(simulator: ServiceSimulator): string[] {
  return simulator.effects.flatMap((effect) =>
    effect.type === 'start-operation' && effect.input.operation.startsWith('revival')
      ? effect.input.candidates.map(({ version }) => version)
      : [],
  );
}

function pages(simulator: ServiceSimulator): string[] {
  return simulator.alerts.flatMap(({ severity, did }) => (severity === 'page' ? [did] : []));
}

function liveInstance({ state: { declared } }: ServiceSimulator): string {
  return declared?.backends[declared.primary]?.[0]?.instance ?? 'none';
}

/** The attempt fails before the shift; the machine orders its end. */
function attemptFails(simulator: ServiceSimulator): void {
  const { child } = simulator;
  if (!child) throw new Error('nothing was started');
  simulator.childStep(child, false);
  while (child.mail.length > 0) simulator.deliver(child);
}

test('the only version, dead, is started again under another instance and a higher epoch', () => {
  const simulator = alone();
  const before = simulator.state.declared;
  const instance = liveInstance(simulator);
  simulator.live('dead');
  expect(revivals(simulator)).toEqual(['1.0']);
  simulator.runOperation();
  const { state } = simulator;
  expect(state.declared?.primary).toBe('1.0');
  expect(state.declared?.epoch).toBeGreaterThan(before?.epoch ?? 0);
  expect(simulator.router.record).toEqual(state.declared);
  expect(liveInstance(simulator)).not.toBe(instance);
  expect([...simulator.retiring.keys()]).toEqual([instance]);
});

test('a revival is on record as a decision, and counts as no rollback: nobody is quarantined, nothing cools down', () => {
  const simulator = alone();
  const before = simulator.state;
  simulator.live('dead');
  simulator.runOperation();
  const { state, ledger } = simulator;
  expect(ledger.find(({ kind, facts }) => kind === 'deploy-decided' && facts['attempt'] === 1)?.actor.proof).toBe(
    'lastgood',
  );
  expect(ledger.at(-1)?.kind).not.toBe('deploy-refused');
  expect(ledger.some(({ kind, summary }) => kind === 'deploy-settled' && /serves again/.test(summary))).toBe(true);
  expect(state.versions.map(({ standing }) => standing)).toEqual(before.versions.map(({ standing }) => standing));
  expect([state.consecutive, state.cooldownUntil, state.incident, state.bake]).toEqual([0, null, null, before.bake]);
});

test('a standby that holds its proof takes over; nothing is started again', () => {
  const simulator = serviceWithStandby();
  simulator.live('answers');
  simulator.live('dead');
  simulator.pass(10 * minute);
  expect(revivals(simulator)).toEqual([]);
});

test('live and standby dead together: the live version is started again', () => {
  expect(revivals(bothDead())).toEqual(['1.1']);
});

test('the failed proof may be known after the death', () => {
  const simulator = serviceWithStandby();
  simulator.live('dead');
  expect(revivals(simulator)).toEqual([]);
  simulator.proof(false);
  expect(revivals(simulator)).toEqual(['1.1']);
});

test('a copy that is silent is left to the verdicts and to a person', () => {
  const simulator = alone();
  simulator.live('silent');
  simulator.pass(hour);
  expect(revivals(simulator)).toEqual([]);
});

test('the death of a copy that no record names any more is no death of the live version', () => {
  const simulator = alone();
  const instances = ['mail-triage@1.0#former'];
  const report = { version: '1.0', instances, condition: 'dead' as const, at: simulator.now, why: 'SIGKILL' };
  simulator.step({ type: 'live-reported', report });
  expect(revivals(simulator)).toEqual([]);
});

test('what something else runs is never started', () => {
  const simulator = alone();
  const { declared } = simulator.state;
  const copy = { address: 'http://127.0.0.1:7', instance: 'mail-triage@1.0#external', digest: 'sha256:1' };
  simulator.state = { ...simulator.state, declared: declared && { ...declared, backends: { '1.0': [copy] } } };
  simulator.live('dead');
  expect(revivals(simulator)).toEqual([]);
});

test('a crash loop ends with one page after three attempts with growing pauses', () => {
  const simulator = alone();
  const began: number[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    simulator.live('dead');
    if (!simulator.state.operation) simulator.pass((nextWakeAt(simulator.state) ?? 0) - simulator.now);
    began.push(simulator.now);
    simulator.runOperation();
    simulator.live('answers');
  }
  expect(began.map((at, index) => at - (began[index - 1] ?? at))).toEqual([0, 30_000, 2 * minute]);
  simulator.live('dead');
  simulator.pass(2 * hour);
  simulator.live('dead');
  expect(revivals(simulator)).toHaveLength(3);
  expect(pages(simulator)).toEqual([expect.stringMatching(/started again 3 times/)]);
});

test('a death whose evidence was cleared away goes on being one: the attempts and the page after them are made', () => {
  const simulator = alone();
  for (let attempt = 0; attempt < 3; attempt++) {
    simulator.live(attempt === 0 ? 'dead' : 'silent');
    if (!simulator.state.operation) simulator.pass((nextWakeAt(simulator.state) ?? 0) - simulator.now);
    attemptFails(simulator);
  }
  simulator.live('silent');
  simulator.pass(10 * minute);
  expect(revivals(simulator)).toHaveLength(3);
  expect(pages(simulator)).toEqual([expect.stringMatching(/started again 3 times/)]);
});

test('deaths that lie hours apart are no crash loop', () => {
  const simulator = alone();
  for (let death = 0; death < 5; death++) {
    simulator.live('dead');
    simulator.runOperation();
    simulator.live('answers');
    simulator.pass(hour);
  }
  expect(revivals(simulator)).toHaveLength(5);
  expect(pages(simulator)).toEqual([]);
});

test('an attempt that fails ends by itself and is made again after the pause; three of them page', () => {
  const simulator = alone();
  simulator.live('dead');
  attemptFails(simulator);
  expect(simulator.state.operation).toBeNull();
  expect(pages(simulator)).toEqual([]);
  const at = nextWakeAt(simulator.state) ?? 0;
  expect(at - simulator.now).toBe(30_000);
  simulator.pass(30_000);
  attemptFails(simulator);
  simulator.pass(2 * minute);
  attemptFails(simulator);
  simulator.pass(10 * minute);
  expect(revivals(simulator)).toHaveLength(3);
  expect(pages(simulator)).toHaveLength(1);
  expect(simulator.state.operation).toBeNull();
});

test.each([
  ['mode observe', (s: ServiceSimulator) => s.say('setMode', { mode: 'observe' }), /mode observe/],
  ['a pause', (s: ServiceSimulator) => s.say('pause', { forMs: hour }), /paused by a person/],
  ['a revoked version', (s: ServiceSimulator) => s.say('revoke', { version: '1.0' }), /it is revoked/],
] as const)('%s holds the machine: a page says so once, and why', (_what, brake, why) => {
  const simulator = alone();
  brake(simulator);
  simulator.live('dead');
  simulator.pass(minute);
  expect(revivals(simulator)).toEqual([]);
  expect(pages(simulator)).toEqual([expect.stringMatching(why)]);
});

test('a pause that ends lets the machine start what is still dead', () => {
  const simulator = alone();
  simulator.say('pause', { forMs: hour });
  simulator.live('dead');
  simulator.pass(hour);
  expect(revivals(simulator)).toEqual(['1.0']);
});

test('neither cooldown nor an open breaker holds it: the version does not change', () => {
  const simulator = bothDead();
  simulator.runOperation();
  const open = { open: true, epoch: 1, openedAt: simulator.now, incident: 'x' };
  simulator.state = { ...simulator.state, breaker: open, cooldownUntil: simulator.now + hour };
  simulator.pass(minute);
  simulator.live('dead');
  expect(revivals(simulator)).toEqual(['1.1', '1.1']);
});

test('a hard verdict on the dead copy neither stops its revival nor moves the traffic after it', () => {
  const simulator = bothDead();
  simulator.verdict('v1', { tier: 'immediate', hard: true, attribution: 'model' });
  expect(simulator.state.operation?.stopping).toBeNull();
  simulator.runOperation();
  simulator.pass(1_000);
  expect(simulator.state.declared?.primary).toBe('1.1');
  simulator.verdictEnded('v1');
  simulator.pass(hour);
  expect(simulator.state.incident).toBeNull();
});

test('a verdict that outlives the grace after a revival is decided', () => {
  const simulator = bothDead();
  simulator.verdict('v1', { tier: 'short-window', attribution: 'model' });
  simulator.runOperation();
  simulator.pass(2 * simulator.policy.detection.calmMs - 1);
  expect(simulator.state.incident).toBeNull();
  simulator.pass(1);
  expect(simulator.state.incident?.phase).toBe('rolling-back');
});

test('a person deploys the live version when no copy of it answers, also while the incident waits for them', () => {
  const simulator = alone();
  simulator.say('setMode', { mode: 'observe' });
  simulator.live('silent');
  expect(simulator.say('deploy', { version: '1.0' })).toMatchObject({ decision: 'accepted' });
  simulator.runOperation();
  expect(simulator.state.declared?.primary).toBe('1.0');
  expect(simulator.say('deploy', { version: '1.0' }).why).toMatch(/live already/);
});

test('a revival that a person stops is not made again', () => {
  const simulator = alone();
  simulator.live('dead');
  simulator.say('cancel', {});
  const { child } = simulator;
  if (child) simulator.childStep(child, true);
  while (child && child.mail.length > 0) simulator.deliver(child);
  simulator.live('dead');
  simulator.pass(hour);
  expect(revivals(simulator)).toHaveLength(1);
});

test('a service workflow that lost its state in a revival finds it again', () => {
  const simulator = alone();
  simulator.live('dead');
  simulator.loseService();
  simulator.runOperation();
  expect(simulator.state.declared?.primary).toBe('1.0');
  expect(simulator.state.operation).toBeNull();
  expect(simulator.router.record).toEqual(simulator.state.declared);
});

describe('a failed standby beside a verdict', () => {
  /** The verdict is held because the standby failed at the same time. */
  function held(): ServiceSimulator {
    const simulator = serviceWithStandby(servicePolicy({ mode: 'act' }));
    simulator.proof(false);
    simulator.verdict('v1', { tier: 'immediate', hard: true, attribution: 'undetermined' });
    return simulator;
  }

  test('is given up after five minutes, and its failure goes on holding the verdict', () => {
    const simulator = held();
    simulator.pass(5 * minute - 1);
    expect(simulator.state.standby?.proof).toBe('failed');
    expect(nextWakeAt(simulator.state)).toBe(simulator.now + 1);
    simulator.pass(1);
    expect(simulator.state.standby).toBeNull();
    expect(simulator.state.operation).toBeNull();
    expect(simulator.state.degradations[0]).toMatchObject({ decided: 'held' });
  });

  test('is replaced, and the verdict is decided anew when the new copy holds its proof', () => {
    const simulator = held();
    simulator.pass(5 * minute);
    for (const instance of simulator.retiring.keys()) simulator.retirementDone(instance);
    simulator.pass(6 * minute);
    simulator.prepared(true);
    expect(simulator.state.standby?.proof).toBe('unproven');
    expect(simulator.state.operation).toBeNull();
    simulator.proof(true);
    expect(simulator.state.operation?.kind).toBe('rollback');
  });
});

test('a standby that could not be made ready when the degradation began does not name the environment', () => {
  const simulator = serviceWithStandby();
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  simulator.tiers('ok');
  simulator.say('revoke', { version: '1.1' });
  for (const instance of [...simulator.retiring.keys()]) simulator.retirementDone(instance);
  simulator.drain();
  simulator.prepared(false);
  expect(simulator.state.unprepared).toEqual([expect.objectContaining({ version: '1.0', at: simulator.now })]);
  simulator.verdict('v1', { tier: 'immediate', hard: true, attribution: 'model' });
  expect(simulator.state.operation).toMatchObject({ kind: 'rollback', candidates: ['1.0'] });
});

test('a live version that nobody can prove any more is not started, and a person is told why', () => {
  const simulator = alone();
  simulator.stored = [storedVersion('1.0', START - 9e8, false)];
  simulator.step({ type: 'versions-listed', versions: simulator.stored });
  simulator.live('dead');
  expect(revivals(simulator)).toEqual([]);
  expect(pages(simulator).at(-1)).toMatch(/Does not start it again: it is not validated/);
});

test('a proposal whose time is over starts nothing beside a revival; it is decided anew after it (I2)', () => {
  const base = servicePolicy();
  const approval = { ...base.approval, tiers: ['immediate'] as const, onTimeout: 'proceed' as const };
  const simulator = serviceWithStandby({ ...base, approval: { ...approval, tiers: [...approval.tiers] } });
  simulator.live('answers');
  simulator.proof(false);
  simulator.pass(minute);
  simulator.verdict('dead', { tier: 'immediate', hard: true, metric: 'error-rate' });
  expect(simulator.state.incident?.phase).toBe('awaiting-approval');
  simulator.pass(base.approval.timeoutMs - minute);
  simulator.live('dead');
  const { operation } = simulator.state;
  expect(operation?.id).toMatch(/^revival/);
  simulator.pass(2 * minute);
  expect(simulator.state.operation?.id).toBe(operation?.id);
});

test('a live version that is started again by a person ends the incident of the fallback that carried its users', () => {
  const simulator = serviceWithStandby();
  simulator.live('answers');
  simulator.proof(true);
  simulator.say('pause', { forMs: 10 * hour });
  simulator.primaryDies();
  simulator.look();
  expect(simulator.state.incident?.phase).toBe('on-fallback');
  simulator.live('dead');
  simulator.say('deploy', { version: simulator.state.declared?.primary ?? '' });
  simulator.runOperation();
  expect(simulator.state.incident).toBeNull();
  expect(simulator.state.fallbackInUse).toBeNull();
});

test('a revival that nobody ordered to stop is only a failed attempt', () => {
  const simulator = alone();
  simulator.live('dead');
  const { child } = simulator;
  if (!child) throw new Error('nothing was started');
  child.mail.push({
    operation: child.input.operation,
    no: (child.no += 1),
    at: simulator.now,
    what: { type: 'ended', outcome: 'cancelled', record: null, why: 'a newer record', idle: [], verified: null },
  });
  child.phase = 'ended';
  while (child.mail.length > 0) simulator.deliver(child);
  simulator.pass(minute);
  expect(revivals(simulator)).toEqual(['1.0', '1.0']);
});

test('a proven standby that nobody will move to does not keep the dead version from being started', () => {
  const base = servicePolicy();
  const simulator = serviceWithStandby({ ...base, standby: { ...base.standby, asFallback: false } });
  simulator.live('answers');
  simulator.proof(true);
  simulator.live('dead');
  expect(revivals(simulator)).toHaveLength(1);
});

test('a person who chooses another version for a restart that waits has deployed it', () => {
  const simulator = serviceWithStandby();
  simulator.live('answers');
  simulator.proof(false);
  simulator.say('pause', { forMs: hour });
  simulator.live('dead');
  simulator.say('deploy', { version: '1.1' });
  attemptFails(simulator);
  simulator.pass(1_000);
  simulator.say('intervene', { incident: simulator.state.operation?.id ?? '', action: 'choose', target: '1.2' });
  simulator.runOperation();

  const { state, now } = simulator;
  expect(state.declared?.primary).toBe('1.2');
  expect(state.bake).toMatchObject({ version: '1.2', previous: '1.1', since: now });
  expect(state.versions.find(({ version }) => version === '1.2')?.deployedAt).toBe(now);
  expect(state.standby?.version).toBe('1.0');
  expect(simulator.ledger.some(({ kind, summary }) => kind === 'deploy-settled' && /1\.2 is live/.test(summary))).toBe(
    true,
  );
});
