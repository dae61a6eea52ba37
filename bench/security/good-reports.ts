import type { ReportName } from '../../workflows/service/reports';

const at = Date.now();
const backend = { address: 'http://127.0.0.1:1', instance: 'mail@1.0#a', digest: 'sha256:1.0' };
const record = { service: 'mail', epoch: 1, primary: '1.0', pins: [], backends: { '1.0': [backend] } };
const verdict = {
  ...{
    kind: 'degraded',
    tier: 'immediate',
    metric: 'error-rate',
    hard: true,
    observed: 0.2,
    expected: 0.01,
    ucl: 0.03,
    lcl: null,
    unit: 'ratio',
  },
  ...{ samples: 200, sinceMs: at, onsetMs: at, onsetLowMs: at, onsetHighMs: at, sentence: 's', baseline: 'b' },
  statistic: { name: 'cusum', value: 12, threshold: 10, falseAlarmDays: 30 },
};
const step = (what: object): object => ({ operation: 'rollback-1', no: 1, at, what });
const drill = (what: object): object => ({ drill: 'drill-1', no: 1, at, what });

/** One of each thing that the workflows of lastgood report to each other. */
export const goodReports: Readonly<Record<ReportName, readonly unknown[]>> = {
  degradationBegan: [
    { id: 'v-1', epoch: 1, version: '1.0', verdict, attribution: 'model', reasons: ['r'], suppressed: false },
  ],
  degradationEnded: [{ id: 'v-1', epoch: 1, at, sentence: 's' }],
  tiersReported: [
    {
      epoch: 1,
      version: '1.0',
      at,
      tiers: [
        { tier: 'immediate', metric: 'error-rate', kind: 'ok', observed: 0, expected: 0, limit: 0.03, samples: 20, at },
      ],
      unmeasuredSince: null,
      environment: [],
    },
  ],
  standbyReported: [{ version: '1.1', instance: 'mail@1.1#a', ok: true, at, why: 'w' }],
  liveReported: [{ version: '1.0', instances: ['mail@1.0#a'], condition: 'dead', at, why: 'w', down: [] }],
  routeObserved: [
    { observed: { readAt: at, record, floor: 0, fallback: null }, at },
    {
      observed: {
        record: { ...record, epoch: 900 },
        floor: 0,
        fallback: { version: '1.1', since: at, epoch: 1, reason: 'r' },
        differing: [{ router: 'two', reached: false, epoch: null, why: 'w' }],
      },
      at,
    },
  ],
  stepReported: [
    step({ type: 'began', step: 'load', version: '1.1', deadlineAt: at + 1_000 }),
    step({ type: 'succeeded', step: 'load', version: '1.1', ms: 3, note: 'n' }),
    step({ type: 'dropped', version: '1.1', step: 'load', why: 'w', next: null }),
    step({ type: 'shifted', record: { ...record, epoch: 2, primary: '1.1' }, note: 'n', at }),
    step({ type: 'waiting', step: 'verify', why: 'w', primary: '1.0' }),
    step({
      type: 'ended',
      outcome: 'settled',
      record,
      why: 'w',
      idle: [],
      verified: { goodAnswers: 20, ms: 3, byProbesOnly: false },
    }),
  ],
  drillReported: [
    drill({ type: 'loaded', backend }),
    drill({ type: 'detected', tier: 'immediate', metric: 'error-rate', sentence: 's', onsetAt: at, detectedAt: at }),
    drill({
      type: 'ended',
      outcome: 'passed',
      why: 'w',
      times: { onsetAt: at, detectedAt: at, shiftedAt: at, restoredAt: at },
      answers: 3,
      slower: null,
      evidence: null,
    }),
  ],
  retirementEnded: [{ version: '1.1', instance: 'mail@1.1#a', outcome: 'stopped', at, why: 'w' }],
};
