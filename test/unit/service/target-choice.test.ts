import fc from 'fast-check';
import type { TargetOrder } from '../../../domain/policy';
import type { InputFit } from '../../../domain/rollback/input-fit';
import { rankCandidates } from '../../../domain/rollback/candidates';
import { reduce } from '../../../domain/service/reduce';
import { readinessOf } from '../../../domain/service/readiness';
import type { ServicePolicy } from '../../../domain/policy';
import { hour, servicePolicy } from '../../support/service-policy';
import { play, scripts } from '../../support/service-scripts';
import { serviceWithStandby, storedVersion, START, type ServiceSimulator } from '../../support/service-simulator';

const target = (order: TargetOrder): ServicePolicy['target'] & object => ({
  order,
  maxDistance: 0.25,
  measureEveryMs: 600_000,
});
const fit = (distance: number, at: number): InputFit => ({ distance, field: 'text#length', mean: 0.01, n: 200, at });

/** 1.1 live, 1.0 its proven standby; 1.2 and 1.3 are newer and barred, 0.8 is older and was never live. */
function service(order: TargetOrder, more: Partial<ServicePolicy> = {}): ServiceSimulator {
  const simulator = serviceWithStandby(servicePolicy({ target: target(order), ...more }));
  for (const version of ['1.2', '1.3']) simulator.say('revoke', { version });
  return simulator;
}

function learn(simulator: ServiceSimulator, distances: Readonly<Record<string, number>>): void {
  const known = [storedVersion('0.8', START - 9.6e8), ...simulator.stored.filter(({ version }) => version !== '0.8')];
  simulator.stored = known.map((stored) => {
    const distance = distances[stored.version];
    return distance === undefined ? stored : { ...stored, fit: fit(distance, simulator.now) };
  });
  simulator.step({ type: 'versions-listed', versions: simulator.stored });
}

const input = (simulator: ServiceSimulator): { candidates: string[]; procedure: string } | null => {
  const last = [...simulator.children.values()].at(-1)?.input;
  if (last?.kind !== 'rollback') return null;
  return { candidates: last.candidates.map(({ version }) => version), procedure: last.procedure };
};

describe('a target chosen for the inputs of now', () => {
  it('is the closest one, not the last good one; what differs too much is left out and named in the decision', () => {
    const simulator = service('closest-profile');
    learn(simulator, { '1.0': 0.5, '0.8': 0.03 });
    simulator.verdict('v1', { tier: 'short-window' });
    expect(input(simulator)).toEqual({ candidates: ['0.8'], procedure: 'standard' });

    const decided = simulator.ledger.findLast(({ kind }) => kind === 'rollback-decided');
    expect(decided?.facts['considered']).toMatchObject({
      order: 'closest-profile',
      maxDistance: 0.25,
      versions: [
        { version: '0.8', place: 1, fit: { band: 'fits', distance: 0.03 }, accuracy: 0.96, weakest: 'spam' },
        { version: '1.0', place: null, fit: { band: 'differs', distance: 0.5 } },
        { version: '1.3', place: null, fit: expect.any(String), standing: 'revoked' },
        { version: '1.2', place: null },
        { version: '0.9', place: null, why: 'not validated: it has no evaluation report' },
      ],
    });
  });

  it('is asked for where none fits, and nothing moves until a person said so', () => {
    const simulator = service('closest-profile');
    learn(simulator, { '1.0': 0.5, '0.8': 0.9 });
    simulator.verdict('v1', { tier: 'short-window' });

    expect(simulator.state.operation).toBeNull();
    expect(simulator.state.incident?.phase).toBe('awaiting-approval');
    const page = simulator.alerts.findLast(({ severity }) => severity === 'page');
    expect(page?.did).toContain('no version fits the inputs of now; the closest is 1.0');
    expect(page?.must).toContain('stays as it is');
    const proposal = simulator.ledger.findLast(({ kind }) => kind === 'rollback-held');
    expect(proposal?.facts['considered']).toMatchObject({ noneFits: expect.stringContaining('PSI 0.50') });

    simulator.say('approve', { incident: simulator.state.incident?.id ?? '', decision: 'approve' });
    expect(input(simulator)?.candidates).toEqual(['1.0', '0.8']);
  });

  it('is never taken by silence where none fits, whatever the policy says of an approval that nobody gave', () => {
    const approval = { tiers: [], timeoutMs: hour, onTimeout: 'proceed' } as const;
    const simulator = service('closest-profile', { approval });
    learn(simulator, { '1.0': 0.5, '0.8': 0.9 });
    simulator.verdict('v1', { tier: 'short-window' });
    simulator.pass(hour + 1_000);
    expect(simulator.state.operation).toBeNull();
    expect(simulator.state.incident).toBeNull();
    expect(simulator.ledger.findLast(({ kind }) => kind === 'rollback-refused')?.summary).toContain('no version fits');
  });

  it.each([
    ['a hard failure', { hard: true, tier: 'immediate' }],
    ['a hard failure of a slower tier', { hard: true, tier: 'short-window' }],
    ['the immediate tier', { hard: false, tier: 'immediate' }],
  ] as const)('does not hold up %s: the proven standby takes over though it fits badly', (_what, verdict) => {
    const simulator = service('closest-profile');
    learn(simulator, { '1.0': 0.5, '0.8': 0.9 });
    simulator.verdict('v1', verdict);
    expect(input(simulator)?.candidates[0]).toBe('1.0');
    const decided = simulator.ledger.findLast(({ kind }) => kind === 'rollback-decided');
    expect(decided?.summary).toContain('no version fits the inputs of now');
  });

  it('goes to the standby in an emergency also where a colder version fits better', () => {
    const simulator = service('closest-profile');
    // Beside a degradation a standby is not given up for its fit.
    simulator.verdict('soft', { tier: 'short-window', attribution: 'environment' });
    learn(simulator, { '1.0': 0.5, '0.8': 0.03 });
    simulator.verdict('v1', { hard: true, tier: 'immediate' });
    expect(input(simulator)).toEqual({ candidates: ['1.0', '0.8'], procedure: 'emergency' });
  });

  it('keeps its standby of the version that fits, and gives up one that does not', () => {
    const simulator = service('closest-profile');
    expect(simulator.state.standby?.version).toBe('1.0');
    learn(simulator, { '1.0': 0.5, '0.8': 0.03 });
    expect(simulator.state.standby).toBeNull();
    expect(simulator.state.preparing?.version).toBe('0.8');
    const dropped = simulator.ledger.findLast(({ summary }) => summary.includes('no standby any more'));
    expect(dropped?.summary).toContain('differs from the inputs of now');
    // One that could not be made ready is not a reason to give up the next: the two would take turns.
    for (const instance of [...simulator.retiring.keys()]) simulator.retirementDone(instance);
    simulator.prepared(false);
    simulator.prepared(true);
    simulator.proof(true);
    expect(simulator.state.standby?.version).toBe('1.0');
    learn(simulator, { '1.0': 0.5, '0.8': 0.03 });
    expect(simulator.state.standby?.version).toBe('1.0');
  });

  it('says in the readiness what would be chosen and why', () => {
    const simulator = service('closest-profile');
    learn(simulator, { '1.0': 0.04, '0.8': 0.9 });
    expect(readinessOf(simulator.state, simulator.now)).toMatchObject({
      ready: true,
      target: '1.0',
      why: expect.stringContaining('fits the inputs of now (PSI 0.04 at most, at text#length, of 200 inputs)'),
    });
    learn(simulator, { '1.0': 0.5, '0.8': 0.9 });
    expect(readinessOf(simulator.state, simulator.now).why).toContain('only an emergency moves to it unasked');
  });

  it('I10: changes nothing, not even the ledger, where fits come and go unmeasured', () => {
    const simulator = service('closest-profile');
    learn(simulator, {});
    const { counters } = simulator.state;
    const before = readinessOf(simulator.state, simulator.now);
    for (const unknown of ['samples-off', 'no-profile', 'few-inputs'] as const) {
      simulator.stored = simulator.stored.map((stored) => ({ ...stored, fit: unknown }));
      simulator.step({ type: 'versions-listed', versions: simulator.stored });
      expect(readinessOf(simulator.state, simulator.now)).toMatchObject({ target: before.target, ready: before.ready });
    }
    expect(simulator.state.counters).toEqual(counters);
    simulator.verdict('v1', { tier: 'short-window' });
    expect(input(simulator)?.candidates[0]).toBe('1.0');
  });

  it('I15: figures of 200 versions stay below 3,600 bytes of the state, the newest ones; an entry keeps below 12 KiB', () => {
    const simulator = service('closest-profile');
    const distances = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`9.${at}`, at / 400]));
    simulator.stored = [
      ...simulator.stored,
      ...Object.keys(distances).map((version, at) => storedVersion(version, START - 9.9e8 + at)),
    ];
    learn(simulator, distances);
    expect(Buffer.byteLength(JSON.stringify(simulator.state.figures))).toBeLessThan(3_600);
    simulator.verdict('v1', { tier: 'short-window' });
    const decided = simulator.ledger.findLast(({ kind }) => kind === 'rollback-decided');
    expect(JSON.stringify(decided?.facts).length).toBeLessThan(12 * 1024);
    const told = decided?.facts['considered'] as { versions: unknown[]; more: number };
    expect(told.versions.length + told.more).toBe(simulator.state.versions.length - 1);
    expect(told.versions.length).toBeGreaterThan(10);
  });

  it('is chosen by the last fit that was measured where a list brings none, until it is stale', () => {
    const simulator = service('closest-profile');
    learn(simulator, { '1.0': 0.5, '0.8': 0.03 });
    const { figures } = simulator.state;
    simulator.stored = simulator.stored.map(({ fit: _fit, ...stored }) => stored);
    learn(simulator, {});
    expect(figures?.['0.8']?.fit).toMatchObject({ distance: 0.03 });
    expect(simulator.state.figures).toEqual(figures);
    simulator.stored = simulator.stored.map((stored) => ({ ...stored, digest: `${stored.digest}f` }));
    learn(simulator, {});
    expect(simulator.state.figures?.['1.0']).not.toHaveProperty('fit');
  });

  it('I8: is never one of 60 that clients could not use, also while the router is not heard', () => {
    const simulator = service('previous');
    const why = 'takes no input prompt_with_history, which 1.1 takes';
    const barred = (all: ServiceSimulator['stored']): ServiceSimulator['stored'] =>
      all.map((stored) => (stored.version === '1.1' ? stored : { ...stored, incompatible: { live: '1.1', why } }));
    const more = Array.from({ length: 60 }, (_, at) => storedVersion(`0.5.${at}`, START - 9.9e8 + at));
    const plain = [...more, ...simulator.stored];
    const refused = (versions: ServiceSimulator['stored']): number => {
      simulator.step({ type: 'versions-listed', versions });
      const ranking = rankCandidates(simulator.state, simulator.now);
      expect(ranking.candidates.filter(() => versions !== fine)).toEqual([]);
      return ranking.refused.filter((one) => one.why === `not compatible: ${why}`).length;
    };
    const fine = plain.map((stored, at) => (at === plain.length - 1 ? { ...stored, incompatible: false } : stored));
    expect(refused(barred(plain))).toBeGreaterThanOrEqual(61);
    expect(refused(plain)).toBeGreaterThanOrEqual(61);
    expect(refused(fine)).toBe(0);
    const short = barred(plain).map((stored, at) =>
      at % 2 === 0 && stored.incompatible ? { ...stored, incompatible: true } : stored,
    );
    simulator.step({ type: 'versions-listed', versions: short });
    expect(rankCandidates(simulator.state, simulator.now).candidates).toEqual([]);
    expect(JSON.stringify(simulator.state.incompatible).length).toBeLessThan(1_000);
  });

  it('is not chosen by figures under rules 1: stored histories decide as they did', () => {
    const simulator = service('closest-profile');
    learn(simulator, { '1.0': 0.5, '0.8': 0.03 });
    const { figures: _figures, ...old } = { ...simulator.state, rules: 1 };
    const event = { type: 'versions-listed', versions: simulator.stored } as const;
    expect(reduce(old, event, simulator.now, 1)).toMatchObject({ commands: [] });
    expect(reduce(old, event, simulator.now, 1).state.figures).toBeUndefined();
  });
});

test('no sequence of events breaks an invariant while fits change and versions are chosen by them', () => {
  const orders = fc.constantFrom<TargetOrder>('closest-profile', 'human-validated', 'newest-validated');
  fc.assert(
    fc.property(scripts, orders, (script, order) => {
      play(script, reduce, { target: target(order), fits: [0.01, 0.12, 0.4, 0.8] });
    }),
    { numRuns: 100 },
  );
});
