import fc from 'fast-check';
import { recoverState } from '../../../activities/recover-state';
import type { Json, LedgerEntry } from '../../../domain/ledger';
import type { RecoveredState } from '../../../domain/service/recovery';
import { reduce } from '../../../domain/service/reduce';
import type { ServiceState, VersionFacts } from '../../../domain/service/state';
import { MemoryLedger } from '../../support/memory-ledger';
import { hour } from '../../support/service-policy';
import { play, scripts } from '../../support/service-scripts';
import { SERVICE, serviceWithStandby, type ServiceSimulator } from '../../support/service-simulator';

async function recovered(entries: readonly LedgerEntry[]): Promise<RecoveredState> {
  const ledger = new MemoryLedger();
  for (const entry of entries) await ledger.append(entry);
  const found = await recoverState({ ledger })(SERVICE);
  if (!found) throw new Error('the ledger has no entry');
  return found;
}

/** The part of the state that a lost service must have back, in the form in which it is recovered. */
function essence(state: ServiceState): Partial<RecoveredState> {
  const { standby, operation, incident } = state;
  return {
    route: state.declared,
    highestEpoch: state.nextEpoch - 1,
    cooldownUntil: state.cooldownUntil,
    breaker: state.breaker,
    consecutive: state.consecutive,
    mode: state.mode,
    bake: state.bake,
    pausedUntil: state.pausedUntil,
    confirming: state.confirming && { ...state.confirming },
    standby: standby && { version: standby.version, backend: standby.backend },
    operation: operation && { ...operation, ...told },
    incident: incident && { ...incident, ...unwritten },
    openIncident: incident?.id ?? null,
    incidentCounter: state.counters.incident,
    versions: decided(state.versions),
  };
}

/** Where an operation stands comes again by its reports; idle copies that joined those it leaves, by its end. */
const told = { lastNo: 0, step: '', version: null, deadlineAt: 0, left: [] } as const;

/** Moments inside one phase of an incident; its next phase writes them. */
const unwritten = { preparedAt: null, shiftedAt: null, target: null, dropped: [], attribution: 'model' } as const;

function sameForm({
  operation,
  incident,
  versions,
  seq: _seq,
  at: _at,
  ...rest
}: RecoveredState): Partial<RecoveredState> {
  return {
    ...rest,
    operation: operation ? { ...operation, ...told } : null,
    incident: incident ? { ...incident, ...unwritten } : null,
    versions: decided(versions),
  };
}

/** A version about which nothing was decided is learned from the store again. */
function decided(versions: readonly VersionFacts[]): VersionFacts[] {
  const known = versions.filter(
    ({ standing, human, lastGoodAt, deployedAt }) =>
      standing !== 'candidate' || human !== null || lastGoodAt !== null || deployedAt !== null,
  );
  return known.sort((left, right) => left.importedAt - right.importedAt || (left.version < right.version ? -1 : 1));
}

async function expectSame(simulator: ServiceSimulator): Promise<RecoveredState> {
  const found = await recovered(simulator.ledger);
  expect(sameForm(found)).toEqual(essence(simulator.state));
  return found;
}

test('in the middle of a rollback the operation, the incident and the copies are given back', async () => {
  const simulator = serviceWithStandby();
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  simulator.pass(60_000);
  simulator.verdict('v1');

  const found = await expectSame(simulator);

  expect(found.operation).toMatchObject({ kind: 'rollback', from: '1.2', waiting: null });
  expect(found.operation?.left).toContainEqual({
    version: '1.2',
    instance: expect.stringContaining('@1.2#') as string,
  });
  expect(found.operation?.candidates[0]).toBe(simulator.state.operation?.candidates[0]);
  expect(found.incident).toMatchObject({
    phase: 'rolling-back',
    metric: 'recall:bulk',
    from: '1.2',
    detectedAt: simulator.now,
  });
  expect(found.incident?.onsetAt).toBe(simulator.now - 4_000);
  expect(found.standby?.backend.instance).toBe(simulator.state.standby?.backend.instance);
});

test('a bake period, a pause, a cooldown and a confirmation go on where they were', async () => {
  const simulator = serviceWithStandby();
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  expect((await expectSame(simulator)).bake).toMatchObject({ version: '1.2', previous: '1.1' });
  simulator.say('pause', { forMs: hour });
  expect((await expectSame(simulator)).pausedUntil).toBe(simulator.now + hour);
  simulator.say('resume', {});
  expect((await expectSame(simulator)).pausedUntil).toBeNull();
  simulator.verdict('v1');
  simulator.runOperation();
  const found = await expectSame(simulator);
  expect(found.confirming).toMatchObject({ metric: 'recall:bulk', measured: false });
  expect(found.cooldownUntil).toBe(simulator.now + 30 * 60_000);
  expect(found.incident).toMatchObject({ phase: 'confirming', settledAt: simulator.now, shiftedAt: simulator.now });
});

test('a rollback that waits for a person, and an open breaker, are given back', async () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  for (let tries = 0; tries < 8 && simulator.state.operation?.waiting === null; tries++) {
    const { child } = simulator;
    if (!child) throw new Error('no rollback runs');
    simulator.childStep(child, false);
    while (child.mail.length > 0) simulator.deliver(child);
  }
  expect((await expectSame(simulator)).operation?.waiting).not.toBeNull();
  simulator.say('intervene', { incident: simulator.state.incident?.id ?? '', action: 'abort' });
  simulator.runOperation();
  simulator.pass(31 * 60_000);
  simulator.verdict('v2');
  simulator.runOperation();
  expect(simulator.state.breaker.open).toBe(true);
  expect((await expectSame(simulator)).breaker.epoch).toBe(1);
});

test('a service that is started from what was recovered stands where the lost one stood', async () => {
  const simulator = serviceWithStandby();
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  simulator.verdict('v1');
  const { child } = simulator;
  if (!child) throw new Error('no rollback runs');
  const lost = simulator.state;
  const fromLedger = await recovered(simulator.ledger);
  jest.spyOn(simulator, 'recover').mockReturnValue(fromLedger);
  simulator.loseService();
  expect(simulator.state).toMatchObject({ bake: lost.bake, consecutive: lost.consecutive, pausedWhy: null });
  expect(simulator.state.operation?.id).toBe(child.input.operation);
  simulator.runOperation();
  expect(simulator.state).toMatchObject({ operation: null, consecutive: 1 });
  expect(simulator.state.declared?.primary).toBe('1.1');
  expect(simulator.state.incident).toMatchObject({ phase: 'confirming', detectedAt: lost.incident?.detectedAt });
});

test('a shift that only its operation had written counts, and an older one written late does not', async () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const { child } = simulator;
  if (!child) throw new Error('no rollback runs');
  simulator.childStep(child, true);
  const shifted = await recovered(simulator.ledger);
  expect(shifted.route).toEqual(child.record);
  expect(shifted.route?.epoch).toBeGreaterThan(simulator.state.declared?.epoch ?? 0);
  simulator.runOperation();
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  const late: LedgerEntry = {
    service: SERVICE,
    key: `rollback/${SERVICE}/old/9`,
    at: simulator.now,
    kind: 'traffic-shifted',
    incident: null,
    actor: { name: 'lastgood', proof: 'lastgood', from: 'rollback' },
    summary: 'written late',
    facts: { changes: { route: JSON.parse(JSON.stringify(child.record)) as Json } },
  };
  const after = await recovered([...simulator.ledger, late]);
  expect(after.route).toEqual(simulator.state.declared);
});

test('only the newest value of a fact must be readable; a newest one that is not names its place', async () => {
  const simulator = serviceWithStandby();
  const [first] = simulator.ledger;
  if (!first) throw new Error('no entry');
  const broken = (key: string): LedgerEntry => ({
    ...first,
    key: `service/${SERVICE}/${key}`,
    facts: { changes: { operation: { id: 'rollback-1', kind: 'rollback' } } },
  });
  await expect(recovered([broken('0'), ...simulator.ledger])).resolves.toMatchObject({ operation: null });
  await expect(recovered([...simulator.ledger, broken('99999')])).rejects.toThrow(
    /facts\.changes\.operation\.incident/,
  );
});

test('after any sequence of events the ledger alone gives back what the service knew', async () => {
  const seed = 20_260_302;
  process.stdout.write(`recover-state: seed ${seed}\n`);
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      // Without its ledger a lost service knows less than what was written; that is a matter of the start.
      const simulator = play({ ...script, lines: script.lines.filter(([verb]) => verb !== 'ledger') }, reduce);
      await expectSame(simulator);
    }),
    { seed, numRuns: 40 },
  );
});
