import type { Drill, DrillReport } from '../../../domain/drill';
import { instanceName } from '../../../domain/route';
import type { Mode, ServicePolicy } from '../../../domain/policy';
import type { ServiceState } from '../../../domain/service/state';
import { nextWakeAt } from '../../../domain/service/timers';
import { InvariantWatch } from '../../support/service-invariants';
import { reduce } from '../../../domain/service/reduce';
import { hour, servicePolicy } from '../../support/service-policy';
import { SERVICE, ServiceSimulator, storedVersion } from '../../support/service-simulator';

const minute = 60_000;
const live = { live: true, maxShare: 0.05, maxLiveMs: 10 * minute };
const mirrored = { way: 'mirror', version: '1.2', share: 0.5, forMs: 10 * minute } as const;
const onUsers = { way: 'live', version: '1.2', share: 0.05, forMs: minute } as const;
const degraded = { way: 'mirror', degrade: { wrongShare: 0.3 }, share: 0.5, forMs: 10 * minute } as const;

/** 1.1 is live since more than a day and measured good, 1.0 its proven standby. */
function rested(change: Parameters<typeof servicePolicy>[0] = {}, watch?: InvariantWatch): ServiceSimulator {
  const simulator = new ServiceSimulator(servicePolicy({ drills: live, ...change }), reduce, watch?.observe);
  for (const version of ['1.0', '1.1']) {
    simulator.say('deploy', { version });
    simulator.runOperation();
    simulator.tiers('ok');
    simulator.pass(25 * hour);
  }
  simulator.proof(true);
  return simulator;
}

function drillOf(simulator: ServiceSimulator): Drill {
  const { drill } = simulator.state;
  if (!drill) throw new Error('no drill is under way');
  return drill;
}

function report(simulator: ServiceSimulator, what: DrillReport['what'], change: Partial<DrillReport> = {}): void {
  const { id, lastNo } = drillOf(simulator);
  simulator.step({ type: 'drill-reported', report: { drill: id, no: lastNo + 1, at: simulator.now, what, ...change } });
  simulator.drain();
}

function loaded(simulator: ServiceSimulator): void {
  const { id, version, degrade } = drillOf(simulator);
  const instance = instanceName(SERVICE, version, id);
  if (!degrade) simulator.running.add(instance);
  const { digest } = storedVersion(version, 0);
  const backend = { address: 'http://127.0.0.1:7', instance, digest };
  report(simulator, { type: 'loaded', backend: degrade ? null : backend });
}

const found = (at: number) =>
  ({
    type: 'detected',
    tier: 'immediate',
    metric: 'error-rate',
    sentence: 'error-rate is 20 %',
    onsetAt: at - 900,
    detectedAt: at,
  }) as const;
const ended = (at: number) =>
  ({
    type: 'ended',
    outcome: 'passed',
    why: 'found, led back, verified',
    times: { onsetAt: at - 3_000, detectedAt: at - 2_000, shiftedAt: at - 1_900, restoredAt: at - 100 },
    answers: 140,
    slower: null,
    evidence: 'sha256:e',
  }) as const;

function running(say: object = mirrored, simulator = rested()): ServiceSimulator {
  expect(simulator.say('drill', say as never)).toMatchObject({ decision: 'accepted' });
  loaded(simulator);
  return simulator;
}

/** Everything that a drill must leave as it was. */
function brakes({
  cooldownUntil,
  breaker,
  consecutive,
  versions,
  incident,
  operation,
  standby,
  bake,
}: ServiceState): unknown {
  return { cooldownUntil, breaker, consecutive, versions, incident, operation, standby, bake };
}

const endOf = (simulator: ServiceSimulator): Record<string, unknown> =>
  simulator.ledger.findLast(({ kind }) => kind === 'drill-ended')?.facts ?? {};
const share = (simulator: ServiceSimulator): unknown => simulator.router.record?.share;

test('a mirrored drill puts copies, never users, on the worse version, and leaves everything as it was', () => {
  const simulator = rested();
  const before = brakes(simulator.state);
  const primary = simulator.router.record?.primary;
  running(mirrored, simulator);
  const { id } = drillOf(simulator);
  expect(share(simulator)).toEqual({
    version: '1.2',
    weight: 0.5,
    until: simulator.now + mirrored.forMs,
    drill: id,
    mirror: true,
  });
  report(simulator, found(simulator.now));
  // The way back: copies go to the good version now, so that it is seen to answer.
  expect(share(simulator)).toMatchObject({ version: primary, drill: id, mirror: true });
  expect(simulator.router.record?.backends['1.2']).toBeUndefined();
  report(simulator, ended(simulator.now));
  expect(share(simulator)).toBeUndefined();
  expect(simulator.router.record?.primary).toBe(primary);
  expect(simulator.state.drill).toBeNull();
  expect(brakes(simulator.state)).toEqual(before);
  expect([...simulator.retiring.keys()]).toEqual([instanceName(SERVICE, '1.2', id)]);
  expect(endOf(simulator)).toMatchObject({ drill: id, way: 'mirror', outcome: 'passed', evidence: 'sha256:e' });
  expect(simulator.ledger.map(({ kind }) => kind).filter((kind) => kind.startsWith('drill'))).toEqual([
    'drill-decided',
    'drill-shared',
    'drill-detected',
    'drill-ended',
  ]);
});

test('a live drill gives a few users the worse version, and takes it from them at once when it is found', () => {
  const simulator = running(onUsers);
  const { id } = drillOf(simulator);
  expect(share(simulator)).toEqual({ version: '1.2', weight: 0.05, until: simulator.now + minute, drill: id });
  report(simulator, found(simulator.now));
  expect(share(simulator)).toBeUndefined();
  report(simulator, ended(simulator.now));
  expect(endOf(simulator)).toMatchObject({ way: 'live', share: 0.05, onsetAt: simulator.now - 3_000 });
});

test('behind the degrading layer the live version itself is drilled on, and no copy is started or retired', () => {
  const simulator = running(degraded);
  const { declared } = simulator.state;
  expect(share(simulator)).toMatchObject({ version: declared?.primary, degrade: { wrongShare: 0.3 }, mirror: true });
  report(simulator, found(simulator.now));
  report(simulator, ended(simulator.now));
  expect(simulator.retiring.size).toBe(0);
  expect(Object.keys(simulator.router.record?.backends ?? {})).toContain(declared?.primary);
});

const refusals: readonly (readonly [string, () => ServiceSimulator, object, RegExp])[] = [
  ['while another one is under way', running, mirrored, /drill drill-\d+ is under way/],
  ['without a proven standby', () => withProof(rested(), false), mirrored, /not proven/],
  ['with an open breaker', () => broken(rested()), mirrored, /breaker is open/],
  ['in a freeze window', () => frozen(rested()), mirrored, /freeze window/],
  ['while paused', () => paused(rested()), mirrored, /paused/],
  ['beside a verdict', () => judged(rested(), 'observe'), mirrored, /degraded|incident/],
  ['beside a rollback', () => judged(rested()), mirrored, /in flight/],
  ['while the environment is not as usual', () => unusual(rested()), mirrored, /environment is not as usual: dns/],
  ['on an unknown version', rested, { ...mirrored, version: '9' }, /not in the artifact store/],
  ['on the live version without a degrading layer', rested, { ...mirrored, version: '1.1' }, /is live/],
  ['without anything that is worse', rested, { way: 'mirror', share: 0.5, forMs: minute }, /name the worse version/],
  ['on users, where the policy does not allow it', () => withPolicy(rested(), { drills: { ...live, live: false } }), onUsers, /allows no live drills/],
  ['on users, where the policy is older than drills', () => older(rested()), onUsers, /allows no live drills/],
  ['on more users than the policy says', rested, { ...onUsers, share: 0.06 }, /5 % of the requests at most/],
  ['on users for longer than the policy says', rested, { ...onUsers, forMs: hour }, /at most/],
  ['on users with a version that is not validated', rested, { ...onUsers, version: '0.9' }, /users must not get it/],
  ['on users while lastgood only watches', () => inMode(rested(), 'observe'), onUsers, /mode observe/],
  ['where there is no room for a copy', () => withPolicy(rested(), { copiesLoadedMax: 2 }), mirrored, /2 copies are loaded/],
  ['where memory holds one copy', () => oneCopy(rested()), mirrored, /memory holds one copy/],
]; // prettier-ignore

test.each(refusals)('a drill %s is refused, with the reason', (_, make, fields, why) => {
  const simulator = make();
  const drills = (): unknown[] => simulator.effects.filter(({ type }) => type === 'start-drill');
  const before = drills();
  const answer = simulator.say('drill', fields as never);
  expect(answer).toMatchObject({ decision: 'refused' });
  expect(answer.why).toMatch(why);
  expect(drills()).toEqual(before);
});

test('what of the environment is not measured keeps no drill from beginning, and ends none', () => {
  const simulator = unusual(
    running(mirrored, unusual(rested(), 'inputs (samples are off): not measured')),
    'dns: not measured',
  );
  expect(simulator.state.drill).toMatchObject({ phase: 'running' });
});

test('what is not validated may be drilled on where nobody sees it', () => {
  expect(rested().say('drill', { ...mirrored, version: '0.9' })).toMatchObject({ decision: 'accepted' });
});

const interruptions: readonly (readonly [string, (simulator: ServiceSimulator) => void, RegExp])[] = [
  ['a verdict on the live version', (s) => s.verdict('v1', { hard: true, tier: 'immediate' }), /degraded on the live version/],
  ['an alarm of the environment', (s) => void unusual(s), /environment/],
  ['a rollback by hand', (s) => void s.say('rollback', {}), /manual-rollback .* began|begins/],
  ['a deploy', (s) => void s.say('deploy', { version: '1.3' }), /deploy/],
  ['a pause', (s) => void s.say('pause', { forMs: minute }), /paused/],
  ['a cancel', (s) => void s.say('cancel', {}), /cancelled by/],
  ['the death of the live copies', (s) => s.live('dead'), /does not answer|began|begins/],
]; // prettier-ignore

test.each(interruptions)('%s ends a drill by a fence, before anything else happens', (_, happens, why) => {
  const simulator = running(onUsers);
  const { id } = drillOf(simulator);
  const shared = simulator.router.record;
  const from = simulator.effects.length;
  happens(simulator);
  expect(simulator.state.drill).toBeNull();
  expect(endOf(simulator)).toMatchObject({ drill: id, outcome: 'overtaken' });
  expect(endOf(simulator)['why']).toMatch(why);
  const kinds = simulator.effects.slice(from).map(({ type }) => type);
  expect(kinds.slice(0, 3)).toEqual(['fence', 'apply-route', 'order-drill']);
  // Whatever of the drill is still on its way to the router is refused there.
  if (!shared) throw new Error('the drill had no share');
  expect(simulator.apply(shared)).toBe(false);
  expect(simulator.router.record?.share).toBeUndefined();
  const start = simulator.effects.find((effect) => effect.type === 'start-operation');
  if (start?.type === 'start-operation') expect(start.input.route?.share).toBeUndefined();
});

test('the verdict that ended the drill is decided as if there had been none', () => {
  const simulator = running(onUsers);
  simulator.verdict('v1', { hard: true, tier: 'immediate' });
  expect(simulator.state.operation).toMatchObject({ kind: 'rollback' });
  simulator.runOperation();
  expect(simulator.state).toMatchObject({ consecutive: 1 });
});

test.each(['the end of the share first', 'the verdict first'])('a drill ends once: %s', (order) => {
  const simulator = running(onUsers);
  const { id } = drillOf(simulator);
  const reports = [() => void (simulator.now += onUsers.forMs + 1), () => report(simulator, found(simulator.now))];
  for (const each of order.startsWith('the end') ? reports : reports.reverse()) each();
  expect(share(simulator)).toBeUndefined();
  report(simulator, ended(simulator.now));
  // Told again, and told late: nothing happens twice.
  const entries = simulator.ledger.length;
  const again = { drill: id, no: 9, at: simulator.now, what: ended(simulator.now) };
  simulator.step({ type: 'drill-reported', report: again });
  simulator.step({ type: 'drill-reported', report: { ...again, what: found(simulator.now) } });
  expect(simulator.ledger).toHaveLength(entries);
  expect(simulator.state.declared?.share).toBeUndefined();
});

test('a drill that does not come to its end is ended at its deadline, by a page', () => {
  const simulator = running(onUsers);
  const { deadlineAt } = drillOf(simulator);
  expect(nextWakeAt(simulator.state)).toBeLessThanOrEqual(deadlineAt);
  simulator.pass(deadlineAt - simulator.now);
  expect(endOf(simulator)).toMatchObject({ outcome: 'overdue' });
  expect(share(simulator)).toBeUndefined();
  expect(simulator.alerts.at(-1)).toMatchObject({
    severity: 'page',
    title: expect.stringContaining('did not come to its end'),
  });
  expect(simulator.state).toMatchObject({ cooldownUntil: null, consecutive: 0, incident: null });
});

test('a drill that failed, or got slower, is a ticket; one that passed is none', () => {
  const tickets = [{ outcome: 'failed' }, { slower: 'detection took 9 s, usual are 2 s' }, {}].map((change) => {
    const simulator = running();
    simulator.alerts.length = 0;
    report(simulator, { ...ended(simulator.now), ...change } as DrillReport['what']);
    return simulator.alerts.map(({ severity }) => severity);
  });
  expect(tickets).toEqual([['ticket'], ['ticket'], []]);
});

test('a router that cannot do it refuses the share, and the drill says why', () => {
  const simulator = running();
  const { epoch } = simulator.state.declared ?? { epoch: 0 };
  simulator.step({ type: 'route-applied', epoch, applied: false, why: 'HAProxy does not copy requests' });
  expect(endOf(simulator)).toMatchObject({ outcome: 'refused', why: expect.stringMatching(/HAProxy/) });
  expect(simulator.state.declared?.share).toBeUndefined();
});

test('the fallback stays named while a drill runs, and its record keeps the copy of the drill', () => {
  const simulator = running(onUsers);
  expect(simulator.router.record?.fallback).toBe(simulator.state.standby?.version);
  simulator.proof(false);
  expect(simulator.state.drill).toBeNull();
  const other = running();
  other.proof(false);
  expect(other.router.record).toMatchObject({ share: { version: '1.2' }, backends: { '1.2': [{}] } });
  expect(other.router.record?.fallback).toBeUndefined();
});

test('a service that starts without state takes the share of a drill that nobody knows off', () => {
  const simulator = running(onUsers);
  const copy = simulator.router.record?.backends['1.2']?.[0]?.instance;
  simulator.loseService();
  expect(simulator.router.record?.share).toBeUndefined();
  expect(endOf(simulator)).toMatchObject({ outcome: 'overtaken' });
  // Nobody else would ever end the copy that the drill had loaded.
  expect(simulator.ledger.filter(({ kind }) => kind === 'standby-changed').at(-1)?.summary).toBe(
    `retires ${copy ?? '?'}: its drill is over`,
  );
});

test('the invariants of the service hold through a drill and what ends it', () => {
  for (const [, happens] of interruptions) {
    const watch = new InvariantWatch(reduce, 1);
    const simulator = running(onUsers, rested({}, watch));
    happens(simulator);
    simulator.runOperation();
    simulator.pass(2 * hour);
  }
});

function withProof(simulator: ServiceSimulator, ok: boolean): ServiceSimulator {
  simulator.proof(ok);
  return simulator;
}

function paused(simulator: ServiceSimulator): ServiceSimulator {
  simulator.say('pause', { forMs: hour });
  return simulator;
}

function withPolicy(simulator: ServiceSimulator, change: Partial<ServicePolicy>): ServiceSimulator {
  simulator.state = { ...simulator.state, policy: { ...simulator.state.policy, ...change } };
  return simulator;
}

const frozen = (simulator: ServiceSimulator): ServiceSimulator =>
  withPolicy(simulator, { freezeWindows: [{ days: [0, 1, 2, 3, 4, 5, 6], fromHour: 0, toHour: 24 }] });
const oneCopy = (simulator: ServiceSimulator): ServiceSimulator =>
  withPolicy(simulator, { swap: { how: 'stop-first', gapMaxMs: minute } });

function older(simulator: ServiceSimulator): ServiceSimulator {
  const { drills: _unknown, ...policy } = simulator.state.policy;
  simulator.state = { ...simulator.state, policy };
  return simulator;
}

function inMode(simulator: ServiceSimulator, mode: Mode): ServiceSimulator {
  simulator.say('setMode', { mode });
  return simulator;
}

function judged(simulator: ServiceSimulator, mode: Mode = 'act'): ServiceSimulator {
  if (mode !== 'act') inMode(simulator, mode);
  simulator.verdict('v1');
  return simulator;
}

function broken(simulator: ServiceSimulator): ServiceSimulator {
  simulator.state = { ...simulator.state, breaker: { open: true, epoch: 1, openedAt: simulator.now, incident: 'i-1' } };
  return simulator;
}

function unusual(simulator: ServiceSimulator, finding = 'dns: lookups fail'): ServiceSimulator {
  const { declared } = simulator.state;
  simulator.step({
    type: 'tiers-reported',
    report: {
      ...{ epoch: declared?.epoch ?? 0, version: declared?.primary ?? '?', at: simulator.now, tiers: [] },
      ...{ unmeasuredSince: null, environment: [finding] },
    },
  });
  simulator.drain();
  return simulator;
}

test('a copy of another digest than was decided on, or a report from far away, gets no share', () => {
  const simulator = rested();
  expect(simulator.say('drill', mirrored)).toMatchObject({ decision: 'accepted' });
  const { id } = drillOf(simulator);
  const backend = { address: 'http://192.0.2.1:80', instance: `${SERVICE}@1.2#${id}`, digest: 'sha256:forged' };
  report(simulator, { type: 'loaded', backend }, { no: 1_000 });
  expect(drillOf(simulator).lastNo).toBe(0);
  report(simulator, { type: 'loaded', backend });
  expect(simulator.router.record?.share).toBeUndefined();
  expect(endOf(simulator)).toMatchObject({ outcome: 'refused' });
});

test('the standby is no worse version: its copy is what a real incident would need', () => {
  const simulator = rested();
  const answer = simulator.say('drill', { ...mirrored, version: '1.0' });
  expect(answer).toMatchObject({ decision: 'refused', why: '1.0 is the standby: nothing else could take over' });
  expect(simulator.state.drill ?? null).toBeNull();
});
