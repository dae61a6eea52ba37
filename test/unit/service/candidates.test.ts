import { rankCandidates } from '../../../domain/rollback/candidates';
import { check } from '../../../domain/service/check';
import type { VersionFacts } from '../../../domain/service/state';
import type { ServicePolicy } from '../../../domain/policy';
import { hour, servicePolicy } from '../../support/service-policy';
import type { ServiceSimulator } from '../../support/service-simulator';
import { serviceWithStandby, SERVICE, START } from '../../support/service-simulator';

const day = 24 * hour;

/** A validated version, live and good once unless the test says otherwise. */
function facts(version: string, change: Partial<VersionFacts> = {}): VersionFacts {
  const importedAt = START - 100 * day + Number(version.replace('1.', '')) * day;
  return {
    version,
    digest: `sha256:${version}`,
    importedAt,
    standing: 'validated',
    evaluation: { ok: true, why: 'accuracy 96.0 % on 1000' },
    why: 'it was probed',
    since: importedAt,
    human: null,
    lastGoodAt: importedAt + hour,
    deployedAt: importedAt,
    probes: 8,
    model: 'mail-triage',
    ...change,
  };
}

/** 1.5 is live; the others are what the test is about. */
function stateOf(versions: readonly VersionFacts[], policy: Partial<ServicePolicy> = {}): ServiceSimulator['state'] {
  const { state } = serviceWithStandby(servicePolicy());
  const primary = '1.5';
  return {
    ...state,
    policy: servicePolicy(policy),
    versions: [...versions, facts(primary)],
    standby: null,
    declared: { service: SERVICE, epoch: 9, primary, pins: [], backends: { [primary]: [] } },
  };
}

const order = (state: ServiceSimulator['state'], only: 'any' | 'hold' = 'any'): string[] =>
  rankCandidates(state, START, only).candidates.map(({ version }) => version);

/** Why each of the others may not. */
const refusals = (state: ServiceSimulator['state'], only: 'any' | 'hold' = 'any'): Record<string, string> =>
  Object.fromEntries(rankCandidates(state, START, only).refused.map(({ version, why }) => [version, why]));

describe('the order of the candidates of a rollback (I8)', () => {
  it('is last good moment first, then validated but never live, then suspect; the newest first in each', () => {
    const state = stateOf(
      [
        facts('1.1', { standing: 'suspect', why: 'rolled back from' }),
        facts('1.2', { lastGoodAt: null, deployedAt: null }),
        facts('1.3', { lastGoodAt: START - 9 * day }),
        facts('1.4', { lastGoodAt: START - 20 * day }),
      ],
      { attempts: { maxCandidates: 9, totalMs: hour } },
    );

    expect(rankCandidates(state, START).candidates.map(({ version, why }) => `${version}: ${why}`)).toEqual([
      '1.3: was live and judged good',
      '1.4: was live and judged good',
      '1.2: validated, never live',
      '1.1: nothing better is left; its cause was never determined',
    ]);
    expect(refusals(state)).toEqual({ '1.5': 'is live' });
  });

  it('ends at the number of attempts that the policy allows (I7)', () => {
    const state = stateOf(
      ['1.1', '1.2', '1.3', '1.4'].map((version) => facts(version)),
      {
        attempts: { maxCandidates: 2, totalMs: hour },
      },
    );
    expect(order(state)).toEqual(['1.4', '1.3']);
  });

  it('has no quarantined, revoked or unvalidated version, and says why for each', () => {
    const state = stateOf([
      facts('1.1', { standing: 'revoked', why: 'by ada: leaked data' }),
      facts('1.2', { standing: 'quarantined', why: 'rolled back from' }),
      facts('1.3', { evaluation: { ok: false, why: 'it has no evaluation report' } }),
      facts('1.4'),
    ]);

    expect(order(state)).toEqual(['1.4']);
    expect(refusals(state)).toEqual({
      '1.1': 'revoked: by ada: leaked data',
      '1.2': 'quarantined: rolled back from',
      '1.3': 'not validated: it has no evaluation report',
      '1.5': 'is live',
    });
  });

  it('never has a revoked version, whoever vouched for it and whatever else is left', () => {
    const human = { by: 'ada', at: START - day };
    const state = stateOf([facts('1.1', { standing: 'revoked', human })]);
    expect(order(state)).toEqual([]);
    expect(order(state, 'hold')).toEqual([]);
  });

  it('has nothing that is older than the minimum acceptable, by the order of import', () => {
    const versions = ['1.1', '1.2', '1.3'].map((version) => facts(version));
    const state = stateOf(versions, { minimumAcceptable: '1.2' });

    expect(order(state)).toEqual(['1.3', '1.2']);
    expect(refusals(state)['1.1']).toBe('older than the minimum acceptable 1.2');
  });

  it('has nothing at all while the minimum acceptable is not a version that it knows', () => {
    const state = stateOf([facts('1.1'), facts('1.2')], { minimumAcceptable: '9.9' });

    expect(order(state)).toEqual([]);
    expect(refusals(state)['1.2']).toBe('the minimum acceptable 9.9 is not known, so nothing can be compared with it');
  });

  it('has no version that is newer than the live one and was never judged good, unless a person vouched for it', () => {
    const newer = facts('1.7', { lastGoodAt: null, deployedAt: null });
    expect(refusals(stateOf([newer]))['1.7']).toBe('newer than 1.5 and never live');
    expect(refusals(stateOf([{ ...newer, deployedAt: START }]))['1.7']).toBe('newer than 1.5 and never judged good');
    expect(order(stateOf([{ ...newer, human: { by: 'ada', at: START } }]))).toEqual(['1.7']);
  });

  it('has nothing that failed a step in this incident', () => {
    const state = stateOf([facts('1.3'), facts('1.4')]);
    const { simulator } = inIncident();
    const incident = simulator.state.incident && { ...simulator.state.incident, dropped: ['1.4'] };
    expect(order({ ...state, incident })).toEqual(['1.3']);
    expect(refusals({ ...state, incident })['1.4']).toBe('failed a step in this incident');
  });

  it('marks a copy as warm only with a proof that holds and is fresh', () => {
    const backend = { address: 'http://127.0.0.1:8', instance: `${SERVICE}@1.4#s1`, digest: 'sha256:1.4' };
    const proven = { version: '1.4', backend, proof: 'ok', proofAt: START - 60_000, failedAt: null, why: '' } as const;
    const state = stateOf([facts('1.3'), facts('1.4')]);
    const warm = (standby: ServiceSimulator['state']['standby']): boolean[] =>
      rankCandidates({ ...state, standby }, START).candidates.map((one) => one.warm !== null);

    expect(warm(proven)).toEqual([true, false]);
    expect(warm({ ...proven, proofAt: START - hour })).toEqual([false, false]);
    expect(warm({ ...proven, proof: 'failed' })).toEqual([false, false]);
    expect(warm({ ...proven, proof: 'unproven', proofAt: null })).toEqual([false, false]);
  });

  function inIncident(): { simulator: ServiceSimulator } {
    const simulator = serviceWithStandby();
    simulator.verdict('v1', { hard: true, tier: 'immediate' });
    return { simulator };
  }
});

describe('a suspect version', () => {
  it('is chosen when nothing better is left, and only after new probes', () => {
    const simulator = serviceWithStandby();
    for (const version of ['1.2', '1.3']) simulator.say('revoke', { version });
    simulator.tiers('ok');
    simulator.pass(25 * hour);
    // 1.1 served well for its bake period; then it is rolled back from, its cause undetermined; 1.0 serves, and is confirmed.
    simulator.verdict('v1', { attribution: 'undetermined' });
    simulator.runOperation();
    simulator.verdictEnded('v1');
    simulator.tiers('ok');
    simulator.pass(hour);
    simulator.tiers('ok');
    const { versions, incident } = simulator.state;
    expect(versions.find(({ version }) => version === '1.1')?.standing).toBe('suspect');
    expect(incident).toBeNull();

    simulator.verdict('v2');

    const { input } = [...simulator.children.values()].at(-1) ?? {};
    expect(input?.route?.primary).toBe('1.0');
    expect(input?.candidates).toMatchObject([
      { version: '1.1', why: expect.stringContaining('nothing better is left'), warm: null },
    ]);
    expect(input?.plan.map(({ step }) => step)).toEqual(expect.arrayContaining(['validate', 'load', 'probe']));
  });
});

describe('the hold version', () => {
  const vouched = (version: string, at: number, change: Partial<VersionFacts> = {}): VersionFacts =>
    facts(version, { human: { by: 'ada', at }, ...change });

  it('is the one that a person vouched for most recently, else the next older', () => {
    const versions = [
      vouched('1.1', START - 2 * day),
      vouched('1.2', START - 9 * day),
      vouched('1.3', START - 5 * day),
    ];
    expect(order(stateOf(versions), 'hold')).toEqual(['1.1', '1.3', '1.2']);
    expect(rankCandidates(stateOf(versions), START, 'hold').candidates[0]?.why).toBe('ada vouched for it');
  });

  it('is not quarantined, suspect, revoked, unvalidated or without a name that stands for it', () => {
    const state = stateOf([
      vouched('1.0', START - 9 * day),
      vouched('1.1', START, { standing: 'quarantined', why: 'rolled back from' }),
      vouched('1.2', START, { standing: 'suspect', why: 'rolled back from' }),
      vouched('1.3', START, { standing: 'revoked', why: 'by ada' }),
      vouched('1.4', START, { evaluation: { ok: false, why: 'its file is damaged' } }),
      facts('1.6', { lastGoodAt: START }),
    ]);

    expect(order(state, 'hold')).toEqual(['1.0']);
    expect(refusals(state, 'hold')).toMatchObject({
      '1.1': 'quarantined: rolled back from',
      '1.2': 'suspect: rolled back from',
      '1.3': 'revoked: by ada',
      '1.4': 'not validated: its file is damaged',
      '1.6': 'no person vouched for it',
    });
  });
});

describe('a freeze window', () => {
  // START is a Monday, 08:00 UTC.
  const frozen = (freezeWindows: ServicePolicy['freezeWindows'], at: number): boolean => {
    const state = stateOf([facts('1.4')], { freezeWindows });
    const message = { name: 'deploy', requestId: 'r', reason: 'because', version: '1.4' } as const;
    const actor = { name: 'ada', proof: 'token', from: 'test' } as const;
    const answer = check(state, { ...message, actor }, at);
    if (!answer.ok) expect(answer.why).toBe('a freeze window is in force');
    return !answer.ok;
  };
  const monday = (hours: number, minutes = 0): number => START + (hours - 8) * hour + minutes * 60_000;

  it('refuses a deploy in its hours, the end excluded, on its days', () => {
    const windows = [{ days: [1], fromHour: 9, toHour: 17 }];
    expect([8, 9, 16, 17].map((at) => frozen(windows, monday(at)))).toEqual([false, true, true, false]);
    expect(frozen(windows, monday(8, 59))).toBe(false);
    expect(frozen(windows, monday(16, 59))).toBe(true);
    expect(frozen(windows, monday(10) + day)).toBe(false);
  });

  it('goes on after midnight, when it ends at an earlier hour than it begins; its day is that of its begin', () => {
    const windows = [{ days: [1], fromHour: 22, toHour: 6 }];
    expect([21, 22, 23].map((at) => frozen(windows, monday(at)))).toEqual([false, true, true]);
    expect([0, 5, 6].map((at) => frozen(windows, monday(at) + day))).toEqual([true, true, false]);
    // The small hours of Monday belong to Sunday's night, which is not in it.
    expect(frozen(windows, monday(3))).toBe(false);
    const weekend = [{ days: [6, 0], fromHour: 20, toHour: 4 }];
    expect(frozen(weekend, monday(3))).toBe(true);
    expect(frozen(weekend, monday(4))).toBe(false);
  });

  it('never holds a rollback', () => {
    const all = [{ days: [0, 1, 2, 3, 4, 5, 6], fromHour: 0, toHour: 24 }];
    const simulator = serviceWithStandby(servicePolicy());
    const frozenState = { ...simulator.state, policy: servicePolicy({ freezeWindows: all }) };
    simulator.state = frozenState;
    expect(simulator.say('deploy', { version: '1.2' }).decision).toBe('refused');
    simulator.verdict('v1');
    expect(simulator.state.operation?.kind).toBe('rollback');
  });
});
