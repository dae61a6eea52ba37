import fc from 'fast-check';
import { reduce } from '../../../domain/service/reduce';
import type { Reduction } from '../../../domain/service/reduce';
import type { ServiceState } from '../../../domain/service/state';
import { play, scripts } from '../../support/service-scripts';
import type { Reduce } from '../../support/service-simulator';

type Standing = ServiceState['versions'][number]['standing'];

/** The versions with one standing shown as another. */
function standingAs(state: ServiceState, from: Standing, to: Standing): ServiceState {
  const versions = state.versions.map((facts) => (facts.standing === from ? { ...facts, standing: to } : facts));
  return { ...state, versions };
}

const closed = { open: false, epoch: 0, openedAt: null, incident: null };

/**
 * Faults that such a reducer really gets, planted one at a time; a search that finds none of them proves nothing. Where a
 * name begins with an invariant, it is that one which must be found broken.
 */
const faults: Readonly<Record<string, Reduce>> = {
  'a decision that is carried out without looking at the brakes again': (state, event, now, rules) => {
    if (event.type !== 'degradation-began') return reduce(state, event, now, rules);
    const seen = { ...state, cooldownUntil: null, breaker: { ...closed, epoch: state.breaker.epoch } };
    const { state: after, ...rest } = reduce(seen, event, now, rules);
    return { ...rest, state: { ...after, cooldownUntil: state.cooldownUntil, breaker: state.breaker } };
  },
  'a clear that is not bound to the epoch that its sender saw': (state, event, now, rules) => {
    if (event.type !== 'message' || event.message.name !== 'clearBreaker') return reduce(state, event, now, rules);
    const message = { ...event.message, breakerEpoch: state.breaker.epoch };
    return reduce(state, { ...event, message }, now, rules);
  },
  'the old copy retired before the move is confirmed': (state, event, now, rules) => {
    const result = reduce(state, event, now, rules);
    const keep = result.state.confirming?.keep;
    if (!keep || state.confirming) return result;
    const { service, host, policy, counters } = result.state;
    const { drainMs, stopGraceMs: graceMs } = policy.steps;
    const input = { service, host, ...keep, notBefore: now, drainMaxMs: drainMs, graceMs, why: 'settled' };
    const effect = { type: 'retire', input } as const;
    const command = { kind: 'effect', effect, afterEntry: counters.ledger, ledgerDown: 'proceed' } as const;
    return { ...result, commands: [...result.commands, command] };
  },
  'epochs that are handed out again after a recovery': (state, event, now, rules) => {
    const result = reduce(state, event, now, rules);
    if (event.type !== 'started' || !event.recovered) return result;
    return { ...result, state: { ...result.state, nextEpoch: (result.state.declared?.epoch ?? 0) + 1 } };
  },
  'unmeasured time that ends the cooldown': (state, event, now, rules) => {
    const result = reduce(state, event, now, rules);
    const unmeasured = event.type === 'tiers-reported' && event.report.unmeasuredSince !== null;
    return unmeasured ? { ...result, state: { ...result.state, cooldownUntil: null } } : result;
  },
  'a breaker that opens one rollback too late': (state, event, now, rules) => {
    const breaker = { ...state.policy.breaker, consecutiveRollbacks: 3 };
    const { state: after, ...rest } = reduce({ ...state, policy: { ...state.policy, breaker } }, event, now, rules);
    return { ...rest, state: { ...after, policy: state.policy } };
  },
  'a fallback that outlives its proof': (state, event, now, rules) => {
    const failed = event.type === 'standby-reported' && !event.report.ok;
    const result = reduce(state, failed ? { type: 'tick' } : event, now, rules);
    const { standby } = result.state;
    return failed && standby
      ? { ...result, state: { ...result.state, standby: { ...standby, proof: 'failed' } } }
      : result;
  },
  'an effect that does not wait for its intent': (state, event, now, rules): Reduction => {
    const result = reduce(state, event, now, rules);
    const commands = result.commands.map((command) =>
      command.kind === 'effect' ? { ...command, afterEntry: state.counters.ledger } : command,
    );
    return { ...result, commands };
  },
  'I7: a standby that is made ready however many copies are loaded': (state, event, now, rules) => {
    const policy = { ...state.policy, copiesLoadedMax: 20 };
    const { state: after, ...rest } = reduce({ ...state, policy }, event, now, rules);
    return { ...rest, state: { ...after, policy: state.policy } };
  },
  'I7: an automatic rollback inside the cooldown': (state, event, now, rules) => {
    if (event.type !== 'degradation-began') return reduce(state, event, now, rules);
    const { state: after, ...rest } = reduce({ ...state, cooldownUntil: null }, event, now, rules);
    return { ...rest, state: { ...after, cooldownUntil: state.cooldownUntil } };
  },
  'I8: a quarantine that the ranking does not see': (state, event, now, rules) => {
    const barred = new Set(
      state.versions.filter(({ standing }) => standing === 'quarantined').map((one) => one.version),
    );
    const { state: after, ...rest } = reduce(standingAs(state, 'quarantined', 'validated'), event, now, rules);
    const versions = after.versions.map((facts) =>
      barred.has(facts.version) && facts.standing === 'validated'
        ? { ...facts, standing: 'quarantined' as const }
        : facts,
    );
    return { ...rest, state: { ...after, versions } };
  },
  'I9: an operation that is silent, and nobody asks after it': (state, event, now, rules) => {
    const result = reduce(state, event, now, rules);
    const commands = result.commands.filter(({ kind, ...rest }) => {
      const { effect } = rest as { effect?: { type: string } };
      return kind !== 'effect' || effect?.type !== 'ask-operation';
    });
    return { ...result, commands };
  },
  'I12: a route in force that nobody compares with the declared one': (state, event, now, rules) =>
    reduce(state, event.type === 'route-observed' ? { type: 'tick' } : event, now, rules),
};

// A fixed seed: whether the search can find a fault must not be a matter of luck. The search for new faults
// (invariants.test.ts) takes a new seed each time.
const seed = Number(process.env['FAST_CHECK_SEED'] ?? 11);

test.each(Object.entries(faults))(
  'the search finds %s',
  (name, faulty) => {
    const invariant = /^I\d+: /.exec(name)?.[0];
    const found = fc.check(
      fc.property(scripts, (script) => {
        play(script, faulty);
      }),
      { seed, numRuns: 20_000, endOnFailure: true },
    );
    process.stdout.write(`${name}: seed ${seed}, after ${found.numRuns} sequences\n`);
    expect({ failed: found.failed, why: String(found.errorInstance).split('\n')[0] }).toEqual({
      failed: true,
      why: expect.stringMatching(
        invariant ? `^(InvariantBroken|Error): ${invariant}` : /^InvariantBroken: |^Error: I\d+: /,
      ),
    });
  },
  300_000,
);
