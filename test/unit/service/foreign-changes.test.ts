import type { ServicePolicy } from '../../../domain/policy';
import type { ObservedServing } from '../../../domain/observed-serving';
import type { ObservedRoute, RouteRecord } from '../../../domain/route';
import type { Effect } from '../../../domain/service/commands';
import type { ServiceEvent } from '../../../domain/service/events';
import { initialState } from '../../../domain/service/initial-state';
import { readinessOf } from '../../../domain/service/readiness';
import { reduce } from '../../../domain/service/reduce';
import type { ServiceState, StoredVersion } from '../../../domain/service/state';
import type { Alert } from '../../../domain/alert';
import type { LedgerEntry } from '../../../domain/ledger';
import { servicePolicy } from '../../support/service-policy';

const address = 'http://127.0.0.1:8000';
const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;

function serves(change: Partial<ObservedServing> = {}): ObservedServing {
  const seen = { configured: null, address, model: 'mail', version: null, means: 'reported-digest' as const };
  return { ...seen, key: digest('a'), ...change };
}

class Service {
  state: ServiceState;
  now = 1_000_000;
  readonly ledger: LedgerEntry[] = [];
  readonly effects: Effect[] = [];
  readonly alerts: Alert[] = [];

  constructor(change: Partial<ServicePolicy> = {}, versions: readonly StoredVersion[] = []) {
    const policy = servicePolicy({ changes: 'external', ...change });
    this.state = initialState({ service: 'mail', host: 'local', policy, rules: 1, samples: false });
    const observed: ObservedRoute = { record: null, floor: 0, fallback: null, pinned: {} };
    this.take({ type: 'started', recovered: null, ledgerReadable: true, observed, versions });
  }

  take(event: ServiceEvent): void {
    this.now += 1_000;
    const { state, commands } = reduce(this.state, event, this.now, 1);
    this.state = state;
    for (const command of commands) {
      if (command.kind === 'intent') this.ledger.push(command.entry);
      else if (command.kind === 'effect') this.effects.push(command.effect);
      else if (command.kind === 'alert') this.alerts.push(command.alert);
    }
  }

  see(serving: ObservedServing): void {
    const record = this.state.declared;
    const observed = { record, floor: 0, fallback: null, pinned: {}, serving };
    this.take({ type: 'route-observed', report: { observed, at: this.now } });
  }

  say(name: 'revoke' | 'vouch' | 'deploy', version: string): void {
    const actor = { name: 'ada', proof: 'token' as const, from: 'test' };
    this.take({ type: 'message', message: { name, version, requestId: `${name}-${this.now}`, actor, reason: 'test' } });
  }

  get applied(): RouteRecord[] {
    return this.effects.flatMap((effect) => (effect.type === 'apply-route' ? [effect.record] : []));
  }

  kinds(kind: string): LedgerEntry[] {
    return this.ledger.filter((entry) => entry.kind === kind);
  }

  version(name: string): ServiceState['versions'][number] {
    const facts = this.state.versions.find(({ version }) => version === name);
    if (!facts) throw new Error(`no version ${name}: ${this.state.versions.map(({ version }) => version).join(', ')}`);
    return facts;
  }
}

const atAddress = (version: string, letter: string): StoredVersion => ({
  version,
  digest: digest(letter),
  importedAt: letter.charCodeAt(0),
  evaluation: null,
  probes: 0,
  model: 'mail',
  observed: { means: 'reported-digest', ownAddress: true },
});

test('the first identity at the address becomes live at once, as a deploy by external, with its means in words', () => {
  const service = new Service();
  service.see(serves());
  expect(service.applied).toEqual([
    {
      service: 'mail',
      epoch: 1,
      primary: 'observed-aaaaaaaa',
      pins: [],
      backends: {
        'observed-aaaaaaaa': [{ address, instance: 'mail@observed-aaaaaaaa#external', digest: digest('a') }],
      },
    },
  ]);
  const [entry] = service.kinds('deploy-settled');
  expect(entry).toMatchObject({ actor: { name: 'external', proof: 'external', from: address } });
  expect(entry?.summary).toContain('the digest that it reports itself');
  expect(service.state.bake).toBeNull();
  expect(service.effects.some(({ type }) => type === 'tell-detection')).toBe(true);
  expect(readinessOf(service.state, service.now).ready).toBe(false);
});

test('what ran before anybody looked was not deployed at the first look; the next one at its address was', () => {
  const service = new Service();
  service.see(serves());
  expect(service.version('observed-aaaaaaaa').deployedAt).toBeNull();
  service.see(serves({ key: digest('b') }));
  expect(service.version('observed-bbbbbbbb').deployedAt).toBe(service.now);
});

test('a version is named by what it reports; the same name with another content gets a name of its own', () => {
  const service = new Service();
  service.see(serves({ version: 'org/model v2' }));
  expect(service.state.declared?.primary).toBe('org-model-v2');
  service.see(serves({ version: 'org/model v2', key: digest('b') }));
  expect(service.state.declared?.primary).toBe('org-model-v2-bbbbbbbb');
  service.see(serves({ version: 'org/model v2', key: digest('a') }));
  expect(service.state.declared?.primary).toBe('org-model-v2');
});

test('another identity under changes: external is live with a higher epoch, bakes, and is recorded with who and how', () => {
  const service = new Service();
  service.see(serves());
  service.see(serves());
  expect(service.applied).toHaveLength(1);
  service.see(serves({ key: digest('b') }));
  expect(service.applied.map(({ epoch, primary }) => [epoch, primary])).toEqual([
    [1, 'observed-aaaaaaaa'],
    [2, 'observed-bbbbbbbb'],
  ]);
  expect(service.kinds('foreign-change')).toHaveLength(1);
  expect(service.kinds('deploy-settled')).toHaveLength(2);
  expect(service.state.bake).toMatchObject({ version: 'observed-bbbbbbbb', previous: 'observed-aaaaaaaa' });
  const told = service.effects.flatMap((effect) => (effect.type === 'tell-detection' ? [effect.message] : []));
  expect(told.at(-1)).toMatchObject({ version: 'observed-bbbbbbbb', judgedBy: 'observed-aaaaaaaa' });
  expect(service.alerts.filter(({ severity }) => severity === 'page')).toEqual([]);
});

test('another identity under changes: lastgood pages once and is not adopted', () => {
  const service = new Service({ changes: 'lastgood' });
  service.see(serves());
  service.see(serves({ key: digest('b') }));
  service.see(serves({ key: digest('b') }));
  expect(service.state.declared?.primary).toBe('observed-aaaaaaaa');
  expect(service.applied).toHaveLength(1);
  expect(service.state.serving?.alarmed).toBe(true);
  expect(service.alerts.filter(({ severity }) => severity === 'page')).toHaveLength(1);
  service.see(serves());
  expect(service.state.serving?.alarmed).toBe(false);
});

test('a server that stops saying who it is is another one; one that never could be compared is judged by what it said before', () => {
  const service = new Service();
  service.see(serves({ key: 'version:v1', version: 'v1', means: 'model-metadata' }));
  service.see(serves({ key: 'none:', means: 'none' }));
  expect(service.state.declared?.primary).toBe('observed-unknown');
  const imported = { ...atAddress('1.0', 'a'), observed: undefined };
  const { observed: _none, ...artifact } = imported;
  const other = new Service({}, [artifact]);
  other.see(serves({ version: '1.0' }));
  expect(other.state.declared?.primary).toBe('1.0');
  other.see(serves({ key: 'fingerprint:11', means: 'probe-fingerprint' }));
  expect(other.applied).toHaveLength(2);
  other.see(serves({ key: 'fingerprint:22', means: 'probe-fingerprint' }));
  expect(other.state.declared?.primary).toBe('observed-22');
});

test('a version that was revoked and is put back pages; with no other address nothing can be reverted', () => {
  for (const onForeignQuarantined of ['alarm', 'revert'] as const) {
    const service = new Service({ onForeignQuarantined });
    service.see(serves());
    service.see(serves({ key: digest('b') }));
    service.say('revoke', 'observed-aaaaaaaa');
    service.see(serves());
    // The record tells the truth about who answers.
    expect(service.state.declared?.primary).toBe('observed-aaaaaaaa');
    expect(service.alerts.some(({ title }) => title.includes('serves again, and it is revoked'))).toBe(true);
    expect(service.state.operation).toBeNull();
    expect(service.state.incident?.phase ?? null).toBe(onForeignQuarantined === 'revert' ? 'waiting-for-human' : null);
    service.see(serves({ key: digest('c') }));
    expect(service.state.incident).toBeNull();
    expect(service.state.degradations).toEqual([]);
  }
});

const other = 'http://127.0.0.1:8001';
const twoAddresses = [atAddress('blue', 'a'), atAddress('green', 'b')];

test('with another address a revoked version that is put back is rolled back from, unless lastgood only observes', () => {
  const mode = (name: 'observe' | 'act'): Service => {
    const service = new Service({ onForeignQuarantined: 'revert', mode: name }, twoAddresses);
    service.see(serves({ configured: 'blue' }));
    service.say('vouch', 'green');
    service.see(serves({ configured: 'blue', key: digest('c') }));
    service.say('revoke', 'blue');
    service.see(serves({ configured: 'blue' }));
    expect(service.state.declared?.primary).toBe('blue');
    return service;
  };
  expect(mode('act').state.operation).toMatchObject({ kind: 'rollback', from: 'blue', candidates: ['green'] });
  const observing = mode('observe');
  expect(observing.state.operation).toBeNull();
  expect(observing.state.degradations[0]).toMatchObject({ decided: 'held', attribution: 'model' });
});

test('a version at an address of its own can be deployed by a person, and is a target of the machine once vouched for', () => {
  const service = new Service({}, twoAddresses);
  service.see(serves({ configured: 'blue' }));
  expect(service.state.declared?.primary).toBe('blue');
  expect(readinessOf(service.state, service.now)).toMatchObject({ target: null });
  service.say('vouch', 'green');
  expect(readinessOf(service.state, service.now)).toMatchObject({ target: 'green' });
  service.say('deploy', 'green');
  expect(service.state.operation).toMatchObject({ kind: 'deploy', candidates: ['green'] });
  // What is seen while the route is being changed is decided afterwards.
  service.see(serves({ configured: 'blue', key: digest('c') }));
  expect(service.state.declared?.primary).toBe('blue');
  expect(service.state.serving?.handled).toBe(false);
});

test('a version that only one shared address tells of can neither be vouched for nor deployed', () => {
  const service = new Service();
  service.see(serves());
  service.see(serves({ key: digest('b') }));
  service.say('vouch', 'observed-aaaaaaaa');
  service.say('deploy', 'observed-aaaaaaaa');
  expect(service.version('observed-aaaaaaaa').human).toBeNull();
  expect(service.kinds('refused').map(({ summary }) => summary)).toEqual([
    expect.stringContaining('no artifact'),
    expect.stringContaining('whoever runs it must put it back'),
  ]);
});

test('content that something else put at the address of a version does not come back under the name of that version', () => {
  const service = new Service({}, twoAddresses);
  service.see(serves({ configured: 'blue' }));
  service.see(serves({ configured: 'blue', key: digest('c') }));
  expect(service.state.declared?.primary).toBe('blue-cccccccc');
  service.take({ type: 'versions-listed', versions: [atAddress('blue', 'c'), atAddress('green', 'b')] });
  expect(service.version('blue').digest).toBe(digest('a'));
  expect(service.state.versions.map(({ version }) => version).sort()).toEqual(['blue', 'blue-cccccccc', 'green']);
});

test('another address in the configuration moves the route there', () => {
  const service = new Service({ changes: 'lastgood' });
  service.see(serves());
  service.see(serves({ address: other }));
  expect(service.applied.at(-1)).toMatchObject({
    epoch: 2,
    primary: 'observed-aaaaaaaa',
    backends: { 'observed-aaaaaaaa': [{ address: other }] },
  });
});

test('a hundred deploys at one address leave a bounded memory, and nobody who is barred is forgotten', () => {
  const service = new Service();
  for (let count = 0; count < 100; count += 1) {
    service.see(serves({ key: `sha256:${String(count).padStart(8, '0')}` }));
    if (count === 3) service.say('revoke', 'observed-00000002');
  }
  expect(service.state.versions.length).toBeLessThanOrEqual(24);
  expect(service.version('observed-00000002').standing).toBe('revoked');
});
