import type { Command } from 'commander';
import { renderAlert } from '../../../adapters/alerts/message';
import { buildProgram } from '../../../cli/program';
import type { Alert } from '../../../domain/alert';
import { entryRefused, ledgerSilent, reducerFailed } from '../../../workflows/service/own-alerts';
import { hour, servicePolicy } from '../../support/service-policy';
import { serviceWithStandby, ServiceSimulator, START } from '../../support/service-simulator';

const minute = 60_000;

/** The alerts that the rules and the workflow really make; each is looked at as its reader sees it. */
const made: Alert[] = [];

/** The newest alert whose key says so, as text. */
function alertOf(simulator: ServiceSimulator, key: string | RegExp): string {
  const found = simulator.alerts.findLast((alert) => alert.key.match(key) !== null);
  if (!found)
    throw new Error(`no alert ${String(key)}; there are ${simulator.alerts.map((one) => one.key).join(', ')}`);
  return shown(found);
}

function shown(alert: Alert): string {
  made.push(alert);
  return `\n${renderAlert(alert)}\n`;
}

/** 1.2 live over 1.1 and 1.0, each judged good in its time. */
function proven(policy = servicePolicy()): ServiceSimulator {
  const simulator = serviceWithStandby(policy);
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  simulator.tiers('ok');
  simulator.pass(25 * hour);
  simulator.proof(true);
  return simulator;
}

function rolledBack(simulator: ServiceSimulator, id: string): void {
  simulator.verdict(id, {
    hard: true,
    tier: 'immediate',
    metric: 'error-rate',
    sentence: 'error-rate is 20 %, expected 1 % (limit 3 %)',
  });
  simulator.runOperation();
  simulator.verdictEnded(id);
}

/** A standby whose proof failed long enough is stopped, and another one is made ready. */
function replaceStandby(simulator: ServiceSimulator): void {
  simulator.pass(2 * minute);
  for (const instance of [...simulator.retiring.keys()]) simulator.retirementDone(instance);
  simulator.drain();
}

/** Two rollbacks, one after the other. */
function brokenTwice(vouch: readonly string[] = []): ServiceSimulator {
  const simulator = proven();
  for (const version of vouch) {
    simulator.say('vouch', { version });
    simulator.pass(minute);
  }
  rolledBack(simulator, 'v1');
  simulator.pass(31 * minute);
  rolledBack(simulator, 'v2');
  return simulator;
}

describe('a degradation', () => {
  it('that is held says what holds it and what it would have done', () => {
    const simulator = proven();
    simulator.say('pause', { forMs: hour });
    simulator.verdict('v1', { hard: true, tier: 'immediate' });
    expect(alertOf(simulator, /held/)).toMatchSnapshot();
  });

  it('of the environment says that a rollback would not help', () => {
    const simulator = proven();
    simulator.proof(false);
    simulator.verdict('v1', { hard: true, tier: 'immediate' });
    expect(alertOf(simulator, /environment/)).toMatchSnapshot();
  });

  it.each(['immediate', 'short-window', 'trend'] as const)(
    'of the %s tier that the inputs explain moves nothing and says where to look',
    (tier) => {
      const simulator = proven();
      simulator.verdict('v1', {
        tier,
        attribution: 'environment',
        reasons: [
          'changed at the same onset: inputs:age',
          'inputs:age: 34 % are missing (limit 6 %, 1 % before) of 120, since about 12:00:10 UTC',
          'look at what sends the field age',
        ],
      });
      const alert = alertOf(simulator, /environment/).replace(/\s+/g, ' ');
      expect(alert).toContain('inputs:age: 34 % are missing (limit 6 %, 1 % before)');
      expect(alert).toContain('Look at what sends the field age; the next verdict is decided anew.');
      expect(simulator.state.operation).toBeNull();
    },
  );

  it('that waits for an approval says until when, and what happens then', () => {
    const simulator = proven(servicePolicy({ mode: 'confirm' }));
    simulator.verdict('v1');
    expect(alertOf(simulator, /approval/)).toMatchSnapshot();
  });

  it('that nobody can take over from names the reason of each version', () => {
    const simulator = proven();
    for (const version of ['1.0', '1.1', '1.3']) simulator.say('revoke', { version });
    simulator.verdict('v1');
    expect(alertOf(simulator, /nobody-left/)).toMatchSnapshot();
  });

  it('that cannot be measured is an alert of its own', () => {
    const simulator = proven();
    simulator.tiers('unmeasured');
    expect(alertOf(simulator, /unmeasured/)).toMatchSnapshot();
  });
});

describe('a rollback', () => {
  it('that dropped a candidate is a ticket while another is left, and a page when none is', () => {
    const simulator = proven();
    simulator.verdict('v1');
    const dropOne = (): void => {
      const { child } = simulator;
      if (!child) throw new Error('no operation is in flight');
      simulator.childStep(child, false);
      while (child.mail.length > 0) simulator.deliver(child);
    };
    dropOne();
    const [first] = simulator.alerts.slice(-1);
    expect(first && shown(first)).toMatchSnapshot('while another is left');
    while (simulator.state.operation?.waiting === null) dropOne();
    expect(alertOf(simulator, /dropped/)).toMatchSnapshot('when none is left');
    expect(alertOf(simulator, /waiting/)).toMatchSnapshot('and then a person is asked');
  });

  it('that settled says how long users were exposed, and that nothing is to be done before morning', () => {
    const simulator = proven();
    rolledBack(simulator, 'v1');
    expect(alertOf(simulator, /settled/)).toMatchSnapshot();
  });

  it('whose metric was never measured again says that it is not confirmed', () => {
    const simulator = proven();
    rolledBack(simulator, 'v1');
    simulator.pass(3 * hour);
    expect(alertOf(simulator, /unconfirmed/)).toMatchSnapshot();
  });

  it('whose workflow is gone says who serves', () => {
    const simulator = proven();
    simulator.verdict('v1');
    simulator.pass(hour);
    simulator.answerAsked(false);
    expect(alertOf(simulator, /abandoned/)).toMatchSnapshot();
  });
});

describe('the breaker that opens', () => {
  it('says to where it moved', () => {
    expect(alertOf(brokenTwice(['1.0', '1.3']), /breaker/)).toMatchSnapshot();
  });

  it('says that the version a person vouched for is live already', () => {
    expect(alertOf(brokenTwice(['1.0']), /breaker/)).toMatchSnapshot();
  });

  it('says that nobody vouched for a version that is left', () => {
    expect(alertOf(brokenTwice(), /breaker/)).toMatchSnapshot();
  });
});

describe('what happens around a service', () => {
  it('a route that somebody else wrote', () => {
    const simulator = proven();
    const { record } = simulator.router;
    if (record) simulator.apply({ ...record, epoch: record.epoch + 40 });
    simulator.look();
    expect(alertOf(simulator, /foreign/)).toMatchSnapshot();
  });

  it('a start without a ledger', () => {
    const simulator = proven();
    simulator.setLedger(false);
    simulator.loseService();
    expect(alertOf(simulator, /started-paused/)).toMatchSnapshot();
  });

  it('a standby that fails its proof, and one that cannot be made ready', () => {
    const simulator = proven();
    simulator.proof(false);
    expect(alertOf(simulator, /failed/)).toMatchSnapshot('the proof');
    replaceStandby(simulator);
    simulator.prepared(false);
    expect(alertOf(simulator, /unprepared/)).toMatchSnapshot('the preparation');
  });

  it('a host that does not answer', () => {
    const simulator = proven();
    simulator.proof(false);
    replaceStandby(simulator);
    simulator.pass(2 * hour);
    expect(alertOf(simulator, /unanswered/)).toMatchSnapshot();
  });

  it('a minimum acceptable version that nobody knows, when it is configured and when the store changes', () => {
    const simulator = proven();
    const policy = servicePolicy({ minimumAcceptable: '1.O' });
    simulator.say('configure', { policy, rules: simulator.state.rules });
    expect(alertOf(simulator, /minimum-acceptable/)).toMatchSnapshot();

    const fresh = new ServiceSimulator(policy);
    const told = (): number => fresh.alerts.filter(({ key }) => key.includes('minimum-acceptable')).length;
    expect(told()).toBe(1);
    fresh.step({ type: 'versions-listed', versions: fresh.stored });
    expect(told()).toBe(1);
  });

  it('a message that nobody can read', () => {
    const simulator = proven();
    simulator.step({ type: 'unreadable', name: 'rollback', problem: 'to: found 7, expected text' });
    expect(alertOf(simulator, /unreadable/)).toMatchSnapshot();
  });
});

describe('lastgood itself', () => {
  it('a ledger that is silent, and one that refuses an entry', () => {
    const simulator = proven();
    simulator.setLedger(false);
    simulator.verdict('v1');
    const { state } = simulator;
    const [entry] = state.outbox;
    if (!entry) throw new Error('nothing waits for the ledger');
    expect(shown(ledgerSilent(state, simulator.now))).toMatchSnapshot('silent');
    expect(shown(entryRefused(state, entry, 'LedgerConflict: other content', simulator.now))).toMatchSnapshot(
      'refused',
    );
  });

  it('a rule that failed', () => {
    const { state } = proven();
    expect(shown(reducerFailed(state, { type: 'tick' }, 'TypeError: no such thing', START))).toMatchSnapshot();
  });
});

// Last: the tests above have made every alert.
describe('every alert', () => {
  it('says what is wrong, what was done, how users fare, and what its reader must do', () => {
    expect(made.length).toBeGreaterThanOrEqual(20);
    for (const alert of made)
      for (const line of ['title', 'wrong', 'did', 'users', 'must'] as const)
        expect({ key: alert.key, line, text: alert[line] }).toMatchObject({ text: expect.stringMatching(/\S{2,}/) });
  });

  it('of a degradation says since when', () => {
    const measured = made.filter(({ wrong, key }) => wrong.includes('limit') && !key.includes('/ledger-'));
    expect(measured.length).toBeGreaterThan(7);
    for (const { wrong } of measured) expect(wrong).toMatch(/since \d\d:\d\d:\d\d UTC/);
  });

  it('names a command that the CLI takes, with every option that it needs, in any installation', async () => {
    for (const { command } of made) {
      if (command === null) throw new Error('an alert without a command');
      const { verb, options } = await parsed(command);
      const needs = required[verb] ?? [];
      expect({ command, options: Object.keys(options) }).toMatchObject({
        options: expect.arrayContaining(needs) as string[],
      });
    }
  });
});

/** What a verb asks for when it is missing, and `service` where an id alone is not unique: ids are counted a day. */
const required: Readonly<Record<string, readonly string[]>> = {
  rollback: ['reason'],
  approve: ['reason', 'service'],
  intervene: ['reason', 'service'],
  resume: ['reason'],
  'breaker clear': ['reason', 'epoch'],
};

/** Parsed by the program of the CLI itself, which refuses unknown verbs, options and missing arguments. */
async function parsed(command: string): Promise<{ verb: string; options: Record<string, unknown> }> {
  const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  expect(words.shift()).toBe('lastgood');
  const said: string[] = [];
  let ran = false;
  const terminal = { out: (text: string) => void said.push(text), err: (text: string) => void said.push(text) };
  const program = buildProgram(terminal as never, async () => {
    ran = true;
    return await Promise.resolve();
  });
  let verb: Command = program;
  program.hook('preAction', (_program, action) => {
    verb = action;
  });
  await program.parseAsync(words, { from: 'user' });
  expect({ command, ran, said }).toEqual({ command, ran: true, said: [] });
  const parent = verb.parent && verb.parent !== program ? `${verb.parent.name()} ` : '';
  return { verb: `${parent}${verb.name()}`, options: verb.opts() };
}
