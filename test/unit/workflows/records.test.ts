import type { RouteRecord } from '../../../domain/route';
import { sharedRecord } from '../../../workflows/rollback/records';

const backend = (version: string, id: string): { address: string; instance: string; digest: string } => ({
  address: 'http://127.0.0.1:7',
  instance: `mail@${version}#${id}`,
  digest: `sha256:${version}`,
});

const base: RouteRecord = {
  service: 'mail',
  epoch: 7,
  primary: '1.3',
  pins: [],
  fallback: '1.2',
  backends: { '1.3': [backend('1.3', 'a')], '1.2': [backend('1.2', 'b')] },
};

const facts = { base, service: 'mail', left: '1.3', epoch: 8, now: 1_000, keepPinsMs: 0, keepLeft: true };
const share = { weight: 0.05, until: 2_000 };

test('a stage keeps the fallback: the version that is left has most of the traffic, and may die', () => {
  const record = sharedRecord(facts, { version: '1.2', backend: backend('1.2', 'b') }, share);
  expect(record).toMatchObject({ primary: '1.3', fallback: '1.2', share: { version: '1.2' }, backends: base.backends });
});

test('a stage keeps the fallback beside a share of another version', () => {
  const record = sharedRecord(facts, { version: '1.1', backend: backend('1.1', 'c') }, share);
  expect(record).toMatchObject({ fallback: '1.2', backends: { ...base.backends, '1.1': [backend('1.1', 'c')] } });
});

test('another copy of the fallback version holds no proof: it gets its share and is no fallback', () => {
  const record = sharedRecord(facts, { version: '1.2', backend: backend('1.2', 'fresh') }, share);
  expect(record.fallback).toBeUndefined();
  expect(record.backends['1.2']).toEqual([backend('1.2', 'fresh')]);
});
