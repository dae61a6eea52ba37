import { EXPLAINED } from '../../domain/detection/explained';
import type { StandingEntry } from '../../workflows/contract/inputs';
import { explains } from '../../workflows/detection/explaining';
import { verdictOf } from '../support/detection-rig';

const hour = 3_600_000;
const service = (metric: string, onsetMs: number): StandingEntry['verdict'] =>
  verdictOf({ metric, onsetMs, lcl: null });
const quality = (metric: string, onsetMs: number): StandingEntry['verdict'] => verdictOf({ metric, onsetMs, lcl: 0.9 });

function standing(change: Partial<StandingEntry> = {}): StandingEntry {
  return {
    id: 'a',
    version: '1.3',
    verdict: service('timeout-rate', 10 * hour),
    source: 'watch',
    endsWith: 'a',
    cause: { attribution: 'environment', reasons: ['changed at the same onset: host:cpu'] },
    told: null,
    ...change,
  };
}
const later = { version: '1.3', verdict: service('latency-p95', 11 * hour), cause: null };

it('a verdict that was laid to the environment explains one of its kind that began soon after it', () => {
  expect(explains(standing(), later)).toBe(true);
  expect(
    explains(standing({ verdict: quality('accuracy', 10 * hour) }), {
      ...later,
      verdict: quality('recall:bulk', 11 * hour),
    }),
  ).toBe(true);
});

it.each<[string, Partial<StandingEntry>, Partial<typeof later> | { cause: StandingEntry['cause'] }]>([
  ['laid to the model', { cause: { attribution: 'model', reasons: [] } }, {}],
  ['not asked for its cause yet', { cause: null }, {}],
  ['of another version', { version: '1.2' }, {}],
  ['of the same metric', { verdict: service('latency-p95', 10 * hour) }, {}],
  ['of another kind', { verdict: quality('accuracy', 10 * hour) }, {}],
  ['that began more than two hours before', { verdict: service('timeout-rate', 8 * hour) }, {}],
  ['explained itself', { cause: { attribution: 'environment', reasons: [`accuracy ${EXPLAINED}`] } }, {}],
  ['beside one that is asked again', {}, { cause: { attribution: 'environment', reasons: [] } }],
])('one that is %s explains nothing', (_, change, about) => {
  expect(explains(standing(change), { ...later, ...about })).toBe(false);
});
