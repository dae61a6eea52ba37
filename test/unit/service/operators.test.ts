import { check } from '../../../domain/service/check';
import type { MessageName } from '../../../domain/service/messages';
import { hour, servicePolicy } from '../../support/service-policy';
import { serviceWithStandby, type ServiceSimulator } from '../../support/service-simulator';

type Say = (simulator: ServiceSimulator) => { decision: string; why: string };

function started(simulator: ServiceSimulator): string[] {
  return simulator.effects.flatMap((effect) => (effect.type === 'start-operation' ? [effect.input.kind] : []));
}

function standing(simulator: ServiceSimulator, version: string): string | undefined {
  return simulator.state.versions.find((facts) => facts.version === version)?.standing;
}

/** A rollback that failed its verification and waits for a person. */
function waiting(): ServiceSimulator {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const child = simulator.child;
  if (!child) throw new Error('no rollback began');
  simulator.childStep(child, true);
  simulator.childStep(child, false);
  while (child.mail.length > 0) simulator.deliver(child);
  return simulator;
}

function proposed(onTimeout: 'hold' | 'proceed' = 'hold', mode: 'act' | 'confirm' = 'act'): ServiceSimulator {
  const approval = { tiers: ['short-window'], timeoutMs: hour, onTimeout } as const;
  const simulator = serviceWithStandby(servicePolicy({ approval }));
  if (mode !== 'act') simulator.say('setMode', { mode });
  simulator.verdict('v1');
  return simulator;
}

test('an operation that waits for a person is named by its incident or by its own id', () => {
  const simulator = waiting();
  const { operation } = simulator.state;
  if (!operation) throw new Error('nothing waits');
  expect(simulator.ledger.findLast(({ kind }) => kind === 'waiting-for-human')?.facts).toMatchObject({
    operation: operation.id,
  });
  // As a hold move has them: an id of its own, and the incident that it belongs to.
  const state = { ...simulator.state, operation: { ...operation, id: `${operation.id}-hold` } };
  const actor = { name: 'ada', proof: 'token', from: 'test' } as const;
  const answers = [incidentOf(simulator), `${operation.id}-hold`, 'another'].map(
    (incident) =>
      check(state, { name: 'intervene', requestId: 'r', actor, reason: 'x', incident, action: 'retry' }, simulator.now)
        .ok,
  );
  expect(answers).toEqual([true, true, false]);
});

const incidentOf = (simulator: ServiceSimulator): string => simulator.state.incident?.id ?? 'none';

const refusals: readonly (readonly [MessageName, string, () => ServiceSimulator, Say, RegExp])[] = [
  ['rollback', 'to the live version', serviceWithStandby, (s) => s.say('rollback', { to: '1.1' }), /live already/],
  ['rollback', 'to an unknown version', serviceWithStandby, (s) => s.say('rollback', { to: '9' }), /not in the artifact/],
  ['rollback', 'to one that is not validated', serviceWithStandby, (s) => s.say('rollback', { to: '0.9' }), /not validated/],
  ['rollback', 'while another one is in flight', waiting, (s) => s.say('rollback', {}), /in flight/],
  ['deploy', 'of the live version', serviceWithStandby, (s) => s.say('deploy', { version: '1.1' }), /live already/],
  ['deploy', 'of one without a report', serviceWithStandby, (s) => s.say('deploy', { version: '0.9' }), /no evaluation/],
  ['deploy', 'in mid-rollback', waiting, (s) => s.say('deploy', { version: '1.2' }), /in flight/],
  ['deploy', 'while a proposal is open', proposed, (s) => s.say('deploy', { version: '1.2' }), /is open/],
  ['clearBreaker', 'when it is closed', serviceWithStandby, (s) => s.say('clearBreaker', { breakerEpoch: 0 }), /closed/],
  ['approve', 'of what nobody proposed', serviceWithStandby, (s) => s.say('approve', { incident: 'x', decision: 'approve' }), /does not wait/],
  ['intervene', 'where nothing is in flight', serviceWithStandby, (s) => s.say('intervene', { incident: 'x', action: 'retry' }), /no operation/],
  ['intervene', 'to an unnamed target', waiting, (s) => s.say('intervene', { incident: incidentOf(s), action: 'choose' }), /needs a target/],
  ['intervene', 'to a quarantined target', waiting, (s) => s.say('intervene', { incident: incidentOf(s), action: 'choose', target: '1.1' }), /quarantined/],
  ['cancel', 'of nothing', serviceWithStandby, (s) => s.say('cancel', {}), /nothing is in flight/],
  ['cancel', 'after the shift', waiting, (s) => s.say('cancel', {}), /has moved the traffic/],
  ['resume', 'of what is not paused', serviceWithStandby, (s) => s.say('resume', {}), /not paused/],
  ['vouch', 'for an unknown version', serviceWithStandby, (s) => s.say('vouch', { version: '9' }), /not in the artifact/],
  ['clearQuarantine', 'of what is not quarantined', serviceWithStandby, (s) => s.say('clearQuarantine', { version: '1.0' }), /not quarantined/],
  ['detach', 'in mid-rollback', waiting, (s) => s.say('detach', {}), /in flight .*--force detaches all the same/],
  ['setMode', 'to the mode it has', serviceWithStandby, (s) => s.say('setMode', { mode: 'act' }), /already/],
]; // prettier-ignore

test.each(refusals)(
  '%s %s is refused with the reason, is on record, and moves nothing',
  (name, _what, make, say, why) => {
    const simulator = make();
    const { declared, operation } = simulator.state;
    const effects = simulator.effects.length;
    const answer = say(simulator);
    expect(answer.decision).toBe('refused');
    expect(answer.why).toMatch(why);
    expect(simulator.ledger.at(-1)).toMatchObject({
      kind: 'refused',
      summary: expect.stringContaining(name) as string,
    });
    expect(simulator.state.declared).toEqual(declared);
    expect(simulator.state.operation).toEqual(operation);
    expect(simulator.effects).toHaveLength(effects);
  },
);

test('the same request a second time is answered as the first time, and done once', () => {
  const simulator = serviceWithStandby();
  expect(simulator.say('rollback', { requestId: 'same' })).toMatchObject({ decision: 'accepted', repeated: false });
  const entries = simulator.ledger.length;
  expect(simulator.say('rollback', { requestId: 'same' })).toMatchObject({ decision: 'accepted', repeated: true });
  expect(simulator.ledger).toHaveLength(entries);
  expect(started(simulator).filter((kind) => kind === 'manual-rollback')).toHaveLength(1);
});

test('a flood of refused messages that nobody proved does not make an act forgotten, which would be done again', () => {
  const simulator = serviceWithStandby(servicePolicy({ unverifiedOperators: 'refuse' }));
  const actor = { name: 'unverified', proof: 'unverified', from: 'temporal' } as const;
  expect(simulator.say('rollback', { requestId: 'signed' })).toMatchObject({ decision: 'accepted' });
  for (let n = 0; n < 1_001; n++) {
    const flood = simulator.say('pause', { forMs: 1_000, requestId: `flood-${n}`, actor });
    if (n === 0) expect(flood).toMatchObject({ decision: 'refused' });
  }
  expect(simulator.say('rollback', { requestId: 'signed' })).toMatchObject({ repeated: true });
});

test('requests with long ids that differ in one letter are two requests', () => {
  const simulator = serviceWithStandby();
  const id = '0b5c9a7e-4a53-4f0e-9d7e-0123456789ab-from-the-pipeline';
  expect(simulator.say('pause', { forMs: 1_000, requestId: id }).repeated).toBe(false);
  expect(simulator.say('pause', { forMs: 1_000, requestId: `${id.slice(0, -1)}f` }).repeated).toBe(false);
  expect(simulator.say('pause', { forMs: 1_000, requestId: id }).repeated).toBe(true);
});

test('a dry run says the plan and changes nothing, also not what a later request of the same id does', () => {
  const simulator = serviceWithStandby();
  const { state } = simulator;
  const answer = simulator.say('rollback', { dryRun: true, requestId: 'plan' });
  expect(answer.decision).toBe('planned');
  expect(answer.plan[0]).toBe('from 1.1 to 1.0 (emergency)');
  expect(simulator.state).toEqual(state);
  expect(simulator.say('rollback', { requestId: 'plan' }).decision).toBe('accepted');
});

test('nobody proved who sends it: refused where the policy says so', () => {
  const simulator = serviceWithStandby(servicePolicy({ unverifiedOperators: 'refuse' }));
  const actor = { name: 'unverified', proof: 'unverified', from: 'temporal' } as const;
  expect(simulator.say('rollback', { actor })).toMatchObject({ decision: 'refused' });
});

test('a proposal waits for a person, who approves it', () => {
  const simulator = proposed();
  expect(simulator.state.incident?.phase).toBe('awaiting-approval');
  expect(started(simulator)).toHaveLength(2);
  simulator.say('approve', { incident: incidentOf(simulator), decision: 'approve' });
  expect(started(simulator).at(-1)).toBe('rollback');
});

test('a proposal that is denied moves nothing and is not made again for the same verdict', () => {
  const simulator = proposed();
  simulator.say('approve', { incident: incidentOf(simulator), decision: 'deny' });
  simulator.pass(2 * hour);
  simulator.verdict('v1');
  expect(simulator.state.incident).toBeNull();
  expect(started(simulator)).toHaveLength(2);
});

test.each([
  ['hold', 'act', 2],
  ['proceed', 'act', 3],
  ['proceed', 'confirm', 2],
] as const)('nobody answers: %s in mode %s', (onTimeout, mode, operations) => {
  const simulator = proposed(onTimeout, mode);
  simulator.pass(hour - 1);
  expect(started(simulator)).toHaveLength(2);
  simulator.pass(1);
  expect(started(simulator)).toHaveLength(operations);
});

test('a proposal that times out in a pause is not carried out by the timer', () => {
  const simulator = proposed('proceed');
  simulator.say('pause', { forMs: 3 * hour });
  simulator.pass(hour);
  expect(started(simulator)).toHaveLength(2);
  simulator.pass(2 * hour);
  expect(simulator.state.incident?.phase).toBe('awaiting-approval');
});

test('a proposal whose reason went away is taken back', () => {
  const simulator = proposed();
  simulator.verdictEnded('v1');
  expect(simulator.state.incident).toBeNull();
});

test('in mode observe nobody approves what was proposed before', () => {
  const simulator = proposed();
  simulator.say('setMode', { mode: 'observe' });
  const incident = incidentOf(simulator);
  expect(simulator.say('approve', { incident, decision: 'approve' })).toMatchObject({ decision: 'refused' });
});

test('a deploy that waits starts when the operation before it has ended, and is refused if it may not then', () => {
  const simulator = serviceWithStandby();
  simulator.say('rollback', {});
  expect(simulator.say('deploy', { version: '1.2', after: true }).why).toMatch(/queued after manual-/);
  simulator.runOperation();
  simulator.pass(1);
  expect(started(simulator).slice(-2)).toEqual(['manual-rollback', 'deploy']);
  const other = serviceWithStandby();
  other.say('rollback', {});
  other.say('deploy', { version: '1.2', after: true });
  other.say('revoke', { version: '1.2' });
  other.runOperation();
  other.pass(1);
  expect(started(other).at(-1)).toBe('manual-rollback');
  expect(other.ledger.some(({ kind, summary }) => kind === 'deploy-refused' && /revoked/.test(summary))).toBe(true);
});

test('a queued deploy waits for the confirmation of a rollback, and can be taken back until then', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  simulator.say('deploy', { version: '1.2', after: true });
  simulator.runOperation();
  expect(simulator.state.incident?.phase).toBe('confirming');
  expect(simulator.state.queued?.version).toBe('1.2');
  expect(simulator.say('cancel', {}).why).toMatch(/taken back/);
  expect(simulator.state.queued).toBeNull();
});

test('a cancel raises the floor of the router first and then tells the child', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const { operation } = simulator.state;
  expect(simulator.say('cancel', {}).decision).toBe('accepted');
  expect(simulator.effects.slice(-2).map(({ type }) => type)).toEqual(['fence', 'order']);
  expect(simulator.router.floor).toBeGreaterThan(operation?.epochs.to ?? Infinity);
  simulator.runOperation();
  expect(simulator.state).toMatchObject({ operation: null, incident: null, consecutive: 0 });
  simulator.verdict('v1');
  expect(started(simulator)).toHaveLength(3);
});

test.each([
  { action: 'accept', cooldown: 30 * 60_000 },
  { action: 'abort', cooldown: null },
] as const)(
  'a rollback whose traffic went back ends by $action as failed, and counts; what was accepted rests for a cooldown',
  ({ action, cooldown }) => {
    const simulator = waiting();
    expect(simulator.state.incident?.phase).toBe('waiting-for-human');
    expect(simulator.state.declared?.primary).toBe('1.1');
    simulator.say('intervene', { incident: incidentOf(simulator), action });
    const { child } = simulator;
    while (child && child.mail.length > 0) simulator.deliver(child);
    const cooldownUntil = cooldown === null ? null : simulator.now + cooldown;
    expect(simulator.state).toMatchObject({ operation: null, incident: null, consecutive: 1, cooldownUntil });
    // The next verdict on what serves must not undo at once what a person said.
    simulator.verdict('v2');
    expect(simulator.state.operation === null).toBe(cooldown !== null);
  },
);

test('where no version may take over the incident waits, can be tried again, and ends with the degradation', () => {
  const simulator = serviceWithStandby();
  simulator.say('revoke', { version: '1.0' });
  simulator.verdict('v1');
  expect(simulator.state.incident?.phase).toBe('waiting-for-human');
  expect(simulator.alerts.at(-1)?.severity).toBe('page');
  const incident = incidentOf(simulator);
  const nobody = {
    decision: 'refused',
    why: expect.stringMatching(/^no version may take the traffic \(.*1\.0: revoked/) as string,
  };
  expect(simulator.say('intervene', { incident, action: 'retry', dryRun: true })).toMatchObject(nobody);
  expect(simulator.say('intervene', { incident, action: 'retry' })).toMatchObject(nobody);
  expect(simulator.ledger.at(-1)?.kind).toBe('waiting-for-human');
  simulator.verdictEnded('v1');
  expect(simulator.state.incident).toBeNull();
});

test('an approval for which nobody is left is refused, and the incident waits for a person', () => {
  const simulator = proposed();
  const incident = incidentOf(simulator);
  simulator.say('revoke', { version: '1.0' });
  const nobody = { decision: 'refused', why: expect.stringMatching(/^no version may take the traffic/) as string };
  const approval = { incident, decision: 'approve' } as const;
  expect(simulator.say('approve', { ...approval, dryRun: true })).toMatchObject(nobody);
  expect(simulator.state.incident?.phase).toBe('awaiting-approval');
  expect(simulator.say('approve', { ...approval, requestId: 'one' })).toMatchObject(nobody);
  expect(simulator.state.incident?.phase).toBe('waiting-for-human');
  expect(started(simulator)).toHaveLength(2);
  expect(simulator.say('approve', { ...approval, requestId: 'one' })).toMatchObject({
    decision: 'refused',
    repeated: true,
  });
});

test('a retry that a brake holds is refused with the brake, and starts nothing', () => {
  const simulator = serviceWithStandby();
  simulator.say('revoke', { version: '1.0' });
  simulator.verdict('v1');
  const incident = incidentOf(simulator);
  simulator.say('setMode', { mode: 'observe' });
  expect(simulator.say('intervene', { incident, action: 'retry' })).toMatchObject({
    decision: 'refused',
    why: 'nothing moves: mode observe: lastgood only watches',
  });
  expect(started(simulator)).toHaveLength(2);
});

test('a pause stops acting, not watching, and ends by itself', () => {
  const simulator = serviceWithStandby();
  simulator.say('pause', { forMs: hour });
  simulator.verdict('v1', { hard: true });
  expect(simulator.state.degradations).toHaveLength(1);
  expect(started(simulator)).toHaveLength(2);
  simulator.pass(hour);
  expect(started(simulator).at(-1)).toBe('rollback');
});

test('a revoked version stays revoked, under the same name with another content too', () => {
  const simulator = serviceWithStandby();
  simulator.say('revoke', { version: '1.2' });
  expect(simulator.say('clearQuarantine', { version: '1.2' }).decision).toBe('refused');
  simulator.stored = simulator.stored.map((one) => (one.version === '1.2' ? { ...one, digest: 'sha256:new' } : one));
  simulator.step({ type: 'versions-listed', versions: simulator.stored });
  expect(standing(simulator, '1.2')).toBe('revoked');
});

test('a quarantine that is cleared leaves a candidate that is probed again', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  simulator.runOperation();
  expect(simulator.say('rollback', { to: '1.1' }).why).toMatch(/quarantine clear/);
  simulator.say('clearQuarantine', { version: '1.1' });
  expect(standing(simulator, '1.1')).toBe('candidate');
  expect(simulator.say('rollback', { to: '1.1' }).decision).toBe('accepted');
});

test('a configuration waits for the next quiet moment', () => {
  const simulator = serviceWithStandby();
  const policy = servicePolicy({ cooldownMs: hour });
  simulator.say('configure', { policy, rules: simulator.state.rules });
  expect(simulator.state.next).toEqual({ policy, rules: null });
  expect(simulator.state.policy.cooldownMs).toBe(30 * 60_000);
});

test('under keys only the controller changes the policy: whoever could change the keys could be anybody afterwards', () => {
  const actKeys = ['a'.repeat(64)];
  const simulator = serviceWithStandby(servicePolicy({ unverifiedOperators: 'allow', actKeys }));
  const configure = { policy: servicePolicy({ actKeys: ['b'.repeat(64)] }), rules: simulator.state.rules };
  const unverified = { name: 'unverified', proof: 'unverified', from: 'temporal' } as const;
  expect(simulator.say('configure', { ...configure, actor: unverified })).toMatchObject({ decision: 'refused' });
  expect(simulator.say('configure', { ...configure, actor: { ...unverified, proof: 'oidc' } }).decision).toBe(
    'refused',
  );
  const controller = { name: 'controller', proof: 'lastgood', from: 'here' } as const;
  expect(simulator.say('configure', { ...configure, actor: controller }).decision).toBe('accepted');
});
