import { readReport } from '../../../workflows/service/reports';
import { serviceWithStandby } from '../../support/service-simulator';

/** A route as a raw signal tells it, with this selector on the copy of the live version. */
function told(selector: unknown): ReturnType<typeof readReport> {
  const { state, now } = serviceWithStandby();
  const { declared } = state;
  if (!declared) throw new Error('nothing is declared');
  const [backend] = declared.backends[declared.primary] ?? [];
  const record = { ...declared, backends: { ...declared.backends, [declared.primary]: [{ ...backend, selector }] } };
  return readReport('routeObserved', { observed: { record, floor: 0, fallback: null, readAt: now }, at: now });
}

test.each([[null], [{ by: 'header' }], [{ by: 'weight', value: '1' }], ['path'], [{ by: 'path', from: 1, to: '/b' }]])(
  'a route that is told with the selector %j is unreadable, and nothing after it throws',
  (selector) => {
    expect(told(selector)).toMatchObject({
      type: 'unreadable',
      problem: expect.stringContaining('selector') as string,
    });
  },
);

test('a route that is told with each known selector, or with none, is read', () => {
  const known = [
    undefined,
    { by: 'path', from: '/a', to: '/b' },
    { by: 'model', public: 'mail', name: 'mail-2' },
    { by: 'header', header: 'x-version', value: '2' },
  ];
  for (const selector of known) expect(told(selector).type).toBe('route-observed');
});
