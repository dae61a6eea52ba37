import type { DifferingRouter } from '../../../domain/route';
import { serviceWithStandby, type ServiceSimulator } from '../../support/service-simulator';

/** Several routers of one service as reconcile sees them: the record of the most advanced, and who differs. */
function look(simulator: ServiceSimulator, differing: readonly DifferingRouter[]): void {
  const observed = { ...simulator.observed(), readAt: simulator.now, differing };
  simulator.step({ type: 'route-observed', report: { observed, at: simulator.now } });
}
const away: DifferingRouter = { router: 'b', reached: false, epoch: null, why: 'connection refused' };
const behind = (epoch: number | null): DifferingRouter => ({ router: 'b', reached: true, epoch, why: 'is behind' });

function applied(simulator: ServiceSimulator): number[] {
  return simulator.effects.flatMap((effect) => (effect.type === 'apply-route' ? [effect.record.epoch] : []));
}

function kinds(simulator: ServiceSimulator): string[] {
  return simulator.ledger.map(({ kind }) => kind);
}

test('I12: a router that was away gets the declared record again once it answers, and not while it does not', () => {
  const simulator = serviceWithStandby();
  const { epoch } = simulator.state.declared!;
  const before = applied(simulator).length;
  look(simulator, [away]);
  expect(applied(simulator)).toHaveLength(before);
  simulator.pass(60_000);

  look(simulator, [behind(epoch - 1)]);

  expect(applied(simulator).slice(before)).toEqual([epoch]);
  look(simulator, []);
  expect(simulator.state.apart).toBeNull();
  expect(simulator.ledger.at(-1)?.summary).toContain('all routers have the declared record again');
});

test('one that stays away is paged once, with what may happen to whom; one late answer is not', () => {
  const simulator = serviceWithStandby();
  const pages = (): string[] =>
    simulator.alerts.filter(({ title }) => title.includes('do not agree')).map((a) => a.wrong);
  look(simulator, [away]);
  look(simulator, []);
  expect(pages()).toEqual([]);

  for (let times = 0; times < 4; times++) {
    look(simulator, [away]);
    simulator.pass(60_000);
  }

  expect(pages()).toEqual([expect.stringContaining('router b cannot be reached: connection refused')]);
});

test('below a raised floor the declared record is declared anew, above it', () => {
  const simulator = serviceWithStandby();
  const { epoch } = simulator.state.declared!;
  simulator.router = { ...simulator.router, floor: epoch + 5 };

  look(simulator, [behind(epoch - 1)]);

  expect(simulator.state.declared?.epoch).toBeGreaterThanOrEqual(epoch + 5);
  expect(simulator.router.record).toEqual(simulator.state.declared);
});

test('I2: while an operation moves the traffic nothing is applied beside it; while it waits for a person the others are brought to where the traffic is', () => {
  const simulator = serviceWithStandby();
  simulator.say('deploy', { version: '1.2' });
  const before = applied(simulator).length;
  look(simulator, [behind(1)]);
  expect(applied(simulator)).toHaveLength(before);

  const { child, state } = simulator;
  const record = { ...state.declared!, epoch: child!.input.epochs.from };
  simulator.router = { ...simulator.router, record };
  const report = (what: Parameters<typeof simulator.deliver>[0]['mail'][number]['what']): void => {
    child!.mail.push({ operation: child!.input.operation, no: (child!.no += 1), at: simulator.now, what });
    simulator.deliver(child!);
  };
  report({ type: 'shifted', record, note: 'partial' });
  report({ type: 'waiting', step: 'shift', why: 'partial: router b has not taken it', primary: record.primary });

  look(simulator, [behind(1)]);

  expect(applied(simulator).slice(before)).toEqual([record.epoch]);
  expect(kinds(simulator)).toContain('waiting-for-human');
});

test('a record of the same epoch and other content on one of them is no repair of ours: it is alerted', () => {
  const simulator = serviceWithStandby();
  const { epoch } = simulator.state.declared!;
  const before = applied(simulator).length;
  look(simulator, [behind(epoch)]);
  simulator.pass(60_000);
  look(simulator, [behind(epoch)]);
  expect(applied(simulator)).toHaveLength(before);
  expect(simulator.alerts.at(-1)).toMatchObject({ severity: 'page', title: expect.stringContaining('do not agree') });
});

test('I10: the fallback of a router that was not heard at one look is not over; it is when all were heard', () => {
  const simulator = serviceWithStandby();
  const { epoch, fallback: version } = simulator.state.declared!;
  simulator.say('pause', { forMs: 600_000 });
  const seen = (since: number | null, differing: readonly DifferingRouter[]): void => {
    const fallback = since === null ? null : { version: version!, since, epoch, reason: 'no backend answers' };
    simulator.pass(1_000);
    const observed = { ...simulator.observed(), fallback, readAt: simulator.now, differing };
    simulator.step({ type: 'route-observed', report: { observed, at: simulator.now } });
  };
  const since = simulator.now;
  seen(since, []);
  expect(simulator.state.fallbackInUse?.since).toBe(since);
  const { degradations, incident } = simulator.state;
  expect(degradations).not.toEqual([]);

  seen(null, [away]);

  expect(simulator.state).toMatchObject({ fallbackInUse: { since }, degradations, incident });
  seen(null, []);
  expect(simulator.state.fallbackInUse).toBeNull();
  expect(simulator.ledger.filter(({ kind }) => kind === 'fallback-began')).toHaveLength(1);
});

test('a router that can be read and takes nothing gets the record at each look, and one ledger entry for all', () => {
  const simulator = serviceWithStandby();
  const { epoch } = simulator.state.declared!;
  const before = applied(simulator).length;
  const again = (): number =>
    simulator.ledger.filter(({ summary }) => summary.includes('gets the declared record again')).length;
  for (let looks = 1; looks <= 5; looks++) {
    look(simulator, [behind(epoch - 1)]);
    expect(applied(simulator)).toHaveLength(before + looks);
    simulator.pass(10_000);
  }
  expect(again()).toBe(1);
  look(simulator, [{ ...behind(epoch - 1), router: 'c' }, behind(epoch - 1)]);
  expect(again()).toBe(2);
  look(simulator, []);
  look(simulator, [behind(epoch - 1)]);
  expect(again()).toBe(3);
});
