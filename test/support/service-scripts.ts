import fc from 'fast-check';
import type { Mode, ServicePolicy } from '../../domain/policy';
import { InvariantWatch } from './service-invariants';
import { hour, servicePolicy } from './service-policy';
import { ServiceSimulator, storedVersion, type Reduce } from './service-simulator';

const verbs = [
  'pass', 'verdict', 'verdictEnded', 'tiers', 'proof', 'prepared', 'look', 'die', 'child', 'child', 'child', 'deliver',
  'deliver', 'deliver', 'duplicate', 'reorder', 'retired', 'deploy', 'rollback', 'clear', 'approve', 'intervene',
  'cancel', 'pause', 'resume', 'vouch', 'revoke', 'clearQuarantine', 'mode', 'lose', 'ledger', 'foreign', 'restart',
  'kill', 'asked', 'list', 'episode',
] as const; // prettier-ignore

export type Line = readonly [(typeof verbs)[number], number, number];
export interface Script {
  readonly setting: {
    readonly mode: Mode;
    readonly proceed: boolean;
    readonly vouched: boolean;
    readonly approvals: boolean;
  };
  readonly lines: readonly Line[];
}

export const scripts: fc.Arbitrary<Script> = fc.record({
  setting: fc.record({
    mode: fc.constantFrom<Mode[]>('act', 'act', 'act', 'confirm', 'observe'),
    proceed: fc.boolean(),
    vouched: fc.boolean(),
    approvals: fc.boolean(),
  }),
  lines: fc.array(fc.tuple(fc.constantFrom(...verbs), fc.nat(11), fc.nat(11)), { minLength: 5, maxLength: 32 }),
});

const times = [0, 500, 10_000, 60_000, 5 * 60_000, 31 * 60_000, 2 * hour, 25 * hour, 60_000, 1_800_000, 1, hour];
const versions = ['1.0', '1.1', '1.2', '1.3', '0.9', '1.1', '1.2'];

/** Another order of the targets, and distances that the versions of a list have in turn. */
export interface Chosen {
  readonly target: NonNullable<ServicePolicy['target']>;
  readonly fits: readonly number[];
}

/** Plays a script, watched after every event; then faults stop, and everything must come to an end (I9). */
export function play({ setting, lines }: Script, reduce: Reduce, chosen?: Chosen): ServiceSimulator {
  const watch = new InvariantWatch(reduce);
  const { mode, proceed, vouched, approvals } = setting;
  const approval = {
    tiers: approvals ? (['short-window'] as const) : [],
    timeoutMs: hour,
    onTimeout: proceed ? 'proceed' : 'hold',
  } as const;
  const simulator = new ServiceSimulator(
    servicePolicy({ approval, ...(chosen && { target: chosen.target }) }),
    reduce,
    watch.observe,
  );
  for (const version of ['1.0', '1.1', '1.2']) {
    simulator.say('deploy', { version });
    simulator.runOperation();
    simulator.tiers('ok');
  }
  if (vouched) simulator.say('vouch', { version: '1.0' });
  simulator.proof(true);
  if (mode !== 'act') simulator.say('setMode', { mode });
  for (const line of lines) {
    if (chosen && line[0] === 'list') measure(simulator, chosen, line[1]);
    perform(simulator, line);
  }
  comeToRest(
    simulator,
    lines.some(([verb]) => verb === 'lose' || verb === 'kill' || verb === 'foreign'),
  );
  return simulator;
}

/** Every third version is not measured, as where its artifact has no profile. */
function measure(simulator: ServiceSimulator, { fits }: Chosen, turn: number): void {
  simulator.stored = simulator.stored.map((stored, at) => {
    const distance = fits[(at + turn) % fits.length] ?? 0;
    const fit = { distance, field: 'age', mean: distance / 4, n: 200, at: simulator.now };
    return { ...stored, fit: (at + turn) % 3 === 0 ? 'no-profile' : fit };
  });
}

export function perform(simulator: ServiceSimulator, [verb, a, b]: Line): void {
  const { state, child } = simulator;
  const version = versions[a % versions.length] ?? '1.0';
  switch (verb) {
    case 'pass':
      return simulator.pass(times[a] ?? 0);
    case 'verdict': {
      const hard = b % 3 === 0;
      const attribution = (['model', 'model', 'model', 'environment', 'undetermined'] as const)[b % 5] ?? 'model';
      const epoch = a === 0 ? Math.max(0, (state.declared?.epoch ?? 0) - 1) : (state.declared?.epoch ?? 0);
      const tier = (['short-window', 'immediate', 'trend'] as const)[a % 3] ?? 'trend';
      return simulator.verdict(`v${a % 4}`, { hard, attribution, epoch, tier });
    }
    case 'verdictEnded':
      return simulator.verdictEnded(`v${a % 4}`);
    case 'tiers':
      return simulator.tiers((['ok', 'ok', 'unmeasured', 'inconclusive'] as const)[a % 4] ?? 'ok');
    case 'proof':
      return simulator.proof(a % 4 !== 0);
    case 'prepared':
      return simulator.prepared(a % 4 !== 0);
    case 'look':
      return simulator.look();
    case 'die':
      simulator.primaryDies();
      if (b % 3 !== 0) simulator.live(b % 3 === 1 ? 'dead' : 'answers');
      return simulator.look();
    case 'child':
      return child ? simulator.childStep(child, a % 5 !== 0) : undefined;
    case 'deliver':
      return child ? simulator.deliver(child) : undefined;
    case 'duplicate':
      return child ? simulator.deliver(child, 0, true) : undefined;
    case 'reorder':
      return child ? simulator.deliver(child, 1) : undefined;
    case 'retired': {
      for (const instance of [...simulator.retiring.keys()]) simulator.retirementDone(instance);
      return simulator.drain();
    }
    case 'deploy':
      return void simulator.say('deploy', { version, after: b % 2 === 0, dryRun: b === 11 });
    case 'rollback':
      return void simulator.say('rollback', b % 2 === 0 ? { to: version } : {});
    case 'clear':
      return void simulator.say('clearBreaker', {
        breakerEpoch: Math.max(0, state.breaker.epoch - (a % 4 === 0 ? 1 : 0)),
      });
    case 'approve': {
      const decision = b % 3 === 0 ? 'deny' : 'approve';
      return void simulator.say('approve', { incident: state.incident?.id ?? 'none', decision });
    }
    case 'intervene': {
      const incident = state.operation
        ? (state.operation.incident ?? state.operation.id)
        : (state.incident?.id ?? 'none');
      const action = (['retry', 'choose', 'accept', 'abort'] as const)[b % 4] ?? 'abort';
      return void simulator.say('intervene', { incident, action, target: version });
    }
    case 'cancel':
      return void simulator.say('cancel', {});
    case 'pause':
      return void simulator.say('pause', { forMs: 10_000 + (times[a] ?? 0) });
    case 'resume':
      return void simulator.say('resume', {});
    case 'vouch':
    case 'revoke':
    case 'clearQuarantine':
      return void (verb !== 'revoke' || b % 3 === 0 ? simulator.say(verb, { version }) : undefined);
    case 'mode':
      return void simulator.say('setMode', { mode: (['act', 'act', 'confirm', 'observe'] as const)[a % 4] ?? 'act' });
    case 'lose':
      // What was told while nobody was there to hear it.
      if (child && a % 3 === 0) child.mail.length = 0;
      return simulator.loseService({ minimal: a % 2 === 0, routerReadable: b % 5 !== 0 });
    case 'ledger':
      return simulator.setLedger(a % 3 !== 0);
    case 'foreign':
      return foreign(simulator, a, b);
    case 'restart':
      return void simulator.step({ type: 'detection-started' });
    case 'kill':
      if (child && b % 3 === 0) {
        child.phase = 'ended';
        child.mail.length = 0;
      }
      return;
    case 'asked':
      return simulator.answerAsked();
    case 'list':
      simulator.stored = b % 4 === 0 ? simulator.stored.filter((one) => one.version !== version) : simulator.stored;
      if (b % 4 === 1)
        simulator.stored = [...simulator.stored, storedVersion(`2.${simulator.stored.length}`, simulator.now)];
      simulator.step({ type: 'versions-listed', versions: simulator.stored });
      return simulator.drain();
    case 'episode':
      simulator.verdict(`e${simulator.now}`, { hard: a % 2 === 0, tier: 'immediate' });
      simulator.runOperation();
      simulator.tiers('ok');
      return simulator.pass(times[b] ?? 0);
  }
}

function foreign(simulator: ServiceSimulator, a: number, b: number): void {
  const { record } = simulator.router;
  if (!record || a % 3 !== 0) return;
  simulator.apply({ ...record, epoch: record.epoch + 1 + b * 10, pins: [] });
  simulator.look();
}

/** Faults stop: reports arrive, the ledger answers, time goes on. */
export function comeToRest(simulator: ServiceSimulator, lost: boolean): void {
  simulator.setLedger(true);
  for (let round = 0; round < 30; round++) {
    for (const child of simulator.children.values()) {
      while (child.mail.length > 0) simulator.deliver(child);
      if (child.phase !== 'ended') simulator.childStep(child, true);
      while (child.mail.length > 0) simulator.deliver(child);
    }
    while (simulator.preparing.length > 0) simulator.prepared(true);
    simulator.proof(true);
    for (const instance of [...simulator.retiring.keys()]) simulator.retirementDone(instance);
    simulator.drain();
    while (simulator.asked.length > 0) simulator.answerAsked();
    if (round % 3 === 0) simulator.look();
    simulator.pass(round % 10 === 9 ? 2 * hour : 5 * 60_000);
    if (round >= 4 && !simulator.state.operation && simulator.child === null && simulator.preparing.length === 0) break;
  }
  const { operation } = simulator.state;
  if (operation && operation.waiting === null) throw new Error(`I9: ${operation.id} never ends (${operation.step})`);
  const known = JSON.stringify([
    simulator.state.declared,
    simulator.state.standby,
    simulator.state.confirming,
    simulator.state.retiring,
    simulator.state.operation,
  ]);
  if (!operation && !lost)
    for (const instance of simulator.running)
      if (!known.includes(instance)) throw new Error(`I7: ${instance} runs and nobody knows of it`);
  if (simulator.state.outbox.length > 0) throw new Error('I4: decisions were never written');
  const { record } = simulator.router;
  const { declared, pausedWhy } = simulator.state;
  if (record && pausedWhy === null && !operation && record.epoch !== declared?.epoch)
    throw new Error(`I12: declared is ${declared?.epoch}, in force is ${record.epoch}, and nobody says so`);
}
