import { hour } from '../../support/service-policy';
import { SwingingService } from '../../support/swinging-service';

const minute = 60_000;
const day = 24 * hour;

/** Every version is bad five minutes after it takes the traffic, for a week; nobody does anything. */
function everyVersionBad(vouched: readonly string[], hard: boolean): SwingingService {
  const service = new SwingingService({}, vouched);
  const judged = new Set<string>();
  while (service.now < service.since + 7 * day) {
    service.runs(5 * minute);
    const { primary = '', epoch } = service.state.declared ?? {};
    // One verdict a version and epoch, as detection tells it; it stands for as long as the version serves.
    if (judged.has(`${primary}/${epoch}`)) continue;
    judged.add(`${primary}/${epoch}`);
    service.begins({ hard, tier: hard ? 'immediate' : 'short-window' });
  }
  return service;
}

describe('a service whose every version is bad', () => {
  it.each([
    ['hard', true],
    ['soft', false],
  ])('makes two rollbacks and the hold move in a week, and then only tells people (%s)', (_words, hard) => {
    const service = everyVersionBad(['1.0'], hard);
    expect(service.moves).toEqual(['rollback 1.3→1.2', 'rollback 1.2→1.1', 'hold-move 1.1→1.0']);
    expect(service.state).toMatchObject({ breaker: { open: true, epoch: 1 }, operation: null });
    const barred = service.state.versions.filter(({ standing }) => standing === 'quarantined');
    expect(barred.map(({ version }) => version)).toEqual(['1.2', '1.3']);
    const held = 'mail-triage: recall:bulk is degraded and nothing was moved';
    const opened = 'mail-triage: the breaker is open after 2 rollbacks';
    // 1.2 inside its cooldown, the brake, and the hold version that nothing moves away from.
    expect(service.titles('page')).toEqual(hard ? [held, opened, held] : [opened]);
    expect(service.shown.length).toBeLessThanOrEqual(8);
    const lastAt = service.shown.at(-1)?.at ?? Infinity;
    expect(lastAt - service.since).toBeLessThan(4 * hour);
  });

  it('makes two rollbacks where no person vouched for a version, and stays where it is', () => {
    const service = everyVersionBad([], true);
    expect(service.moves).toEqual(['rollback 1.3→1.2', 'rollback 1.2→1.1']);
    expect(service.entries('waiting-for-human').map(({ summary }) => summary)).toEqual([
      expect.stringMatching(/^breaker open; no version that a person vouched for may take over/),
      'settled 2 h 0 min ago and not confirmed: recall:bulk is degraded on 1.1',
    ]);
    expect(service.shown.at(-1)).toMatchObject({ severity: 'ticket', at: expect.any(Number) as number });
    expect(service.shown.at(-1)?.at ?? Infinity).toBeLessThan(service.since + 4 * hour);
  });

  it('never goes back to a version that it left because it was bad, however often a person clears the breaker', () => {
    const service = new SwingingService({}, ['1.0']);
    for (let round = 0; round < 20; round++) {
      service.begins({ hard: true, tier: 'immediate' });
      service.runs(40 * minute);
      const { breaker } = service.state;
      if (breaker.open) service.say('clearBreaker', { breakerEpoch: breaker.epoch });
    }
    expect(service.moves).toEqual([
      'rollback 1.3→1.2',
      'rollback 1.2→1.1',
      // Nobody had judged 1.1 when the hold move left it.
      'hold-move 1.1→1.0',
      'rollback 1.0→1.1',
    ]);
    expect(service.entries('breaker-cleared').length).toBe(1);
    expect(service.state.operation).toBeNull();
  });
});

describe('a service whose environment is bad', () => {
  const reasons = ['changed at the same onset: gpu:temperature', 'look at the cooling of GPU 0'];

  it('moves nothing in a day of it, and is one page, not one a metric and episode', () => {
    const service = new SwingingService();
    for (let episode = 0; episode < 144; episode++) {
      const metrics = ['error-rate', 'latency:p99', 'recall:bulk'];
      const about = { hard: true, tier: 'immediate', attribution: 'environment', reasons } as const;
      const ids = metrics.map((metric) => service.begins({ ...about, metric }));
      service.runs(4 * minute);
      ids.forEach((id) => service.ends(id));
      service.quiet(6 * minute);
    }
    expect(service.moves).toEqual([]);
    expect(service.entries('rollback-refused')).toHaveLength(3 * 144);
    expect(service.titles('page')).toEqual(['mail-triage: degraded, and the model is not the cause']);
    expect(service.shown).toHaveLength(1);
    expect(service.state).toMatchObject({ breaker: { open: false }, consecutive: 0, cooldownUntil: null });
  });

  it('moves nothing when the standby fails its proof as often as the live version fails', () => {
    const service = new SwingingService();
    for (let episode = 0; episode < 48; episode++) {
      service.proof(false);
      const id = service.begins({ hard: true, tier: 'immediate', onsetMs: service.now });
      service.runs(2 * minute);
      service.ends(id);
      service.proof(true);
      service.quiet(10 * minute);
    }
    expect(service.moves).toEqual([]);
    expect(service.titles('page')).toEqual(['mail-triage: degraded, and the model is not the cause']);
    const tickets = service.titles('ticket');
    expect(tickets.length).toBeLessThanOrEqual(3);
    expect(tickets).toEqual(
      [...new Set(tickets)].map(() => expect.stringMatching(/the standby 1\.\d failed its proof$/) as string),
    );
  });

  it('is told again when another place turns out to be bad, and when the same is bad after an hour of peace', () => {
    const service = new SwingingService();
    const told = (): number => service.shown.length;
    service.bad(5 * minute, { hard: true, attribution: 'environment', reasons });
    service.quiet(59 * minute);
    service.bad(5 * minute, { hard: true, attribution: 'environment', reasons });
    expect(told()).toBe(1);
    service.bad(5 * minute, { hard: true, attribution: 'environment', reasons: ['x', 'look at the feature service'] });
    expect(told()).toBe(2);
    service.quiet(61 * minute);
    service.bad(5 * minute, { hard: true, attribution: 'environment', reasons });
    expect(told()).toBe(3);
  });
});

/** Twelve hours of a state that waits for a person: a page that was closed when its state ended does not end the waiting. */
function expectHourly(titles: readonly string[], title: string): void {
  expect(new Set(titles)).toEqual(new Set([title]));
  expect(titles.length).toBeGreaterThanOrEqual(10);
  expect(titles.length).toBeLessThanOrEqual(12);
}

describe('a metric that swings about its limit', () => {
  it.each([
    { hard: true, vouched: ['1.0'], moves: ['rollback 1.3→1.2', 'rollback 1.2→1.1', 'hold-move 1.1→1.0'] },
    { hard: false, vouched: ['1.0'], moves: ['rollback 1.3→1.2', 'rollback 1.2→1.1', 'hold-move 1.1→1.0'] },
    { hard: true, vouched: [], moves: ['rollback 1.3→1.2', 'rollback 1.2→1.1'] },
  ])('moves the users as often as the brakes allow, and people hear of each state once: %o', (one) => {
    const { hard, vouched, moves } = one;
    const service = new SwingingService({}, vouched);
    for (let swing = 0; swing < 144; swing++) {
      service.bad(4 * minute, { hard, tier: hard ? 'immediate' : 'short-window' });
      service.quiet(6 * minute);
    }
    expect(service.moves).toEqual(moves);
    expect(service.entries('degradation-began')).toHaveLength(144);
    // Each rollback, the cooldown of each version that served in it, the breaker, what it holds.
    expect(service.shown.length).toBeLessThanOrEqual(8);
    expect(service.titles('page').length).toBeLessThanOrEqual(4);
  });

  it('asks a person once an hour for the same approval, and the page of the first proposal leads to the newest', () => {
    const service = new SwingingService({ mode: 'confirm' });
    for (let swing = 0; swing < 72; swing++) {
      service.bad(4 * minute);
      service.quiet(6 * minute);
    }
    expect(service.moves).toEqual([]);
    expectHourly(service.titles('page'), 'mail-triage: approve the rollback from 1.3 to 1.2');
    const [page] = service.shown;
    service.begins();
    const incident = page?.incident ?? '';
    const { why } = service.say('approve', { incident, decision: 'approve' });
    const current = service.state.incident?.id ?? '';
    expect(why).toBe(`incident ${incident} does not wait for an approval; ${current} does, for recall:bulk`);
    expect(service.say('approve', { incident: current, decision: 'approve' }).decision).toBe('accepted');
  });

  it('pages once an hour where no version may take over', () => {
    const service = new SwingingService();
    for (const version of ['0.9', '1.0', '1.1', '1.2']) service.say('revoke', { version });
    for (let swing = 0; swing < 72; swing++) {
      service.bad(4 * minute, { hard: true });
      service.quiet(6 * minute);
    }
    expect(service.moves).toEqual([]);
    expectHourly(service.titles('page'), 'mail-triage: degraded, and no version may take over');
  });

  it('is told once where telemetry comes and goes', () => {
    const service = new SwingingService();
    for (let gap = 0; gap < 100; gap++) {
      service.tiers('unmeasured');
      service.runs(2 * minute);
      service.tiers('ok');
      service.runs(5 * minute);
    }
    expect(service.shown.map(({ title }) => title)).toEqual(['mail-triage: nothing can be measured']);
  });

  it('becomes a page when it turns hard, whatever ticket there was', () => {
    const service = new SwingingService();
    service.say('pause', { forMs: day });
    service.bad(minute);
    service.bad(minute, { hard: true });
    service.bad(minute, { hard: true });
    service.bad(minute);
    expect(service.shown.map(({ severity }) => severity)).toEqual(['ticket', 'page']);
    const held = service.ledger.filter(({ kind }) => kind === 'rollback-held');
    expect(held.map(({ facts }) => facts['toldBefore'] ?? false)).toEqual([false, false, true, true]);
  });
});
