import type { RouteRecord } from '../../../domain/route';
import { chooseVersion, pinHoldsUntil } from '../../../gateway/routing';

const record: RouteRecord = {
  service: 'mail',
  epoch: 3,
  primary: '2',
  pins: [{ version: '1', until: 1_000 }],
  share: { version: '3', weight: 0.25, until: 2_000, drill: 'd1' },
  fallback: '1',
  backends: {},
};
const fallback = { version: '1', since: 0, epoch: 3, reason: 'dead' };

test('unpinned requests go to the share by its weight while it runs, else to the primary', () => {
  expect(chooseVersion(record, 500, undefined, null, 0.24)).toEqual({ version: '3', reason: 'drill' });
  expect(chooseVersion(record, 500, undefined, null, 0.25)).toEqual({ version: '2', reason: 'primary' });
  expect(chooseVersion(record, 2_000, undefined, null, 0)).toEqual({ version: '2', reason: 'primary' });
});

test('a pin holds until its time in the record, and a session on the primary never takes part in the share', () => {
  expect(chooseVersion(record, 999, '1', null, 0)).toEqual({ version: '1', reason: 'pin' });
  expect(chooseVersion(record, 1_000, '1', null, 0.9)).toEqual({ version: '2', reason: 'primary' });
  expect(chooseVersion(record, 500, '2', null, 0)).toEqual({ version: '2', reason: 'primary' });
  expect(chooseVersion(record, 500, '3', null, 0.9)).toEqual({ version: '3', reason: 'drill' });
  expect(chooseVersion(record, 500, 'gone', null, 0.9)).toEqual({ version: '2', reason: 'primary' });
  expect(pinHoldsUntil(record, '1', 1_000)).toBe(0);
});

test('with the fallback in use all that would go to the primary goes there, pinned sessions of the primary too', () => {
  expect(chooseVersion(record, 500, undefined, fallback, 0.9)).toEqual({ version: '1', reason: 'fallback' });
  expect(chooseVersion(record, 500, '2', fallback, 0.9)).toEqual({ version: '1', reason: 'fallback' });
});
