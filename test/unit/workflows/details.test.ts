import { initialState } from '../../../domain/service/initial-state';
import type { ServiceState } from '../../../domain/service/state';
import { readinessOf } from '../../../domain/service/readiness';
import { detailsOf } from '../../../workflows/service/details';
import { servicePolicy } from '../../support/service-policy';

const policy = servicePolicy();
const quiet = initialState({ service: 'mail', host: 'here', policy, rules: 1, samples: false });
const shown = (change: Partial<ServiceState>): string => {
  const state = { ...quiet, ...change };
  return detailsOf(state, readinessOf(state, 0));
};
const actor = { name: 'ada', proof: 'token', from: 'cli' } as const;
const record = { service: 'mail', epoch: 9, primary: '1.2', pins: [], backends: {} };
const confirming = { incident: 'i1', metric: 'recall', from: 0, until: 1, measured: false, alerted: false, keep: null };
const entry = {
  service: 'mail',
  key: 'k/1',
  at: 5,
  kind: 'settled',
  incident: null,
  actor,
  summary: '',
  facts: {},
} as const;

test.each<[Partial<ServiceState>, string]>([
  [{ preparing: { version: '1.1', instance: 'mail@1.1#s1', until: 5 } }, '| made ready | mail@1.1#s1'],
  [{ retiring: [{ version: '1.1', instance: 'mail@1.1#s1', failed: true }] }, 'mail@1.1#s1, could not be stopped'],
  [{ queued: { version: '1.3', actor, reason: 'newer' } }, '| queued | deploy of 1.3: newer'],
  [{ confirming }, '| confirming | recall until 1970-01-01T00:00:00.001Z, not measured yet'],
  [{ foreign: record }, '| FOREIGN record | epoch 9, 1.2'],
  [{ unmeasuredSince: 7 }, '| UNMEASURED | since 1970-01-01T00:00:00.007Z'],
  [{ outbox: [entry] }, '| ledger lag | 1 entries, the oldest of 1970-01-01T00:00:00.005Z'],
  [{ next: { policy, rules: null } }, '| pending | a new policy'],
])('the Temporal UI shows what is under way: %#', (change, line) => {
  expect(shown(change)).toContain(line);
  expect(shown({})).not.toContain(line.split('|')[1] ?? line);
});
