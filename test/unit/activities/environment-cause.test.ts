import { attributeCause } from '../../../activities/attribute-cause';
import { quickCause, type CausePorts } from '../../../activities/detection/quick-cause';
import { onsetOf } from '../../../activities/detection/surroundings';
import type { Engine, Environment, Telemetry } from '../../../activities/ports';
import { dependencySignals } from '../../../adapters/environment/dependency-signals';
import { hardwareSignals } from '../../../adapters/environment/hardware-signals';
import { DEFAULT_HOST_RULES } from '../../../adapters/environment/hardware-change';
import { inputSignals } from '../../../adapters/environment/input-signals';
import { joinEnvironment } from '../../../adapters/environment/joined-environment';
import { userSignals } from '../../../adapters/environment/user-signals';
import { placesOf } from '../../../domain/detection/where-to-look';
import type { AttributionResult } from '../../../domain/detection/attribution';
import type { Tier, Verdict } from '../../../domain/detection/types';
import type { CountsRow, SampledInput } from '../../../gateway/protocol';
import { counts, policy, watchInput } from './detection-rows';

const unused = (): never => {
  throw new Error('was called and is not stubbed');
};
const minute = 60_000;
const day = 24 * 60 * minute;

/** How far back each tier's onset lies when its verdict comes. */
const ages: Record<Tier, number> = { immediate: 90_000, 'short-window': 12 * minute, trend: 26 * 60 * minute };

function verdictOf(tier: Tier, nowMs: number): Verdict {
  const onsetMs = nowMs - ages[tier];
  return {
    kind: 'degraded',
    tier,
    metric: 'error-rate',
    hard: tier === 'immediate',
    observed: 0.4,
    expected: 0.005,
    ucl: 0.02,
    lcl: null,
    unit: 'ratio',
    samples: 100,
    sinceMs: onsetMs,
    onsetMs,
    onsetLowMs: onsetMs - 2_000,
    onsetHighMs: onsetMs + 2_000,
    statistic: { name: 'e', value: 1, threshold: 1, falseAlarmDays: 30 },
    sentence: 'error-rate is 40 %',
    baseline: 'good hours',
  };
}

type Change = 'nothing' | 'inputs' | 'cpu' | 'retries';

/** A service around which one thing changed at the onset; everything is read ahead, as the controller does it. */
async function around(change: Change, tier: Tier, nowMs: number): Promise<Environment & { reads: () => number }> {
  const onsetMs = nowMs - ages[tier];
  let clock = nowMs;
  let reads = 0;
  const every = Math.max(1_000, (nowMs - onsetMs) / 90);
  const inputs = Array.from({ length: 490 }, (_, at): SampledInput => {
    const atMs = Math.round(onsetMs + (at - 400) * every);
    const age = change === 'inputs' && atMs >= onsetMs ? null : 20 + (at % 50);
    const body = JSON.stringify({ age, text: `mail ${String(at).padStart(4, '0')}` });
    return { atMs, version: '1.3', path: '/infer', contentType: 'application/json', body, failed: false };
  });
  const rowsOf = (fromMs: number, toMs: number): CountsRow[] =>
    Array.from({ length: Math.max(0, Math.floor((toMs - fromMs) / 10_000)) }, (_, at) => {
      const atMs = fromMs + at * 10_000;
      const retried = change === 'retries' && atMs >= onsetMs;
      return counts(at, { fromMs: atMs, requests: retried ? 800 : 200, failures: retried ? 600 : 0 });
    });
  const host = hardwareSignals({
    machine: '',
    reader: {
      read: () => {
        const cpu = change === 'cpu' && clock >= onsetMs ? 0.99 : 0.3;
        return Promise.resolve({ atMs: clock, values: { cpu, memory: 0.6, disk: 0.5 } });
      },
    },
    rules: DEFAULT_HOST_RULES,
    everyMs: 3_600_000,
    quick: false,
    services: null,
    now: () => clock,
  });
  for (let at = 0; at <= 400; at += 1) {
    clock = nowMs - (400 - at) * Math.max(1_000, (nowMs - onsetMs) / 200);
    await host.sample();
  }
  clock = nowMs;
  const environment = joinEnvironment([
    host,
    dependencySignals({ dependencies: {}, everyMs: 3_600_000, now: () => clock }),
    inputSignals({
      services: ['mail-triage'],
      samples: {
        inputs: async (_service, fromMs, toMs, limit) => {
          reads += 1;
          const inputsThen = inputs.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).slice(-limit);
          return await Promise.resolve({ off: false, inputs: inputsThen });
        },
      },
      profileOf: async () => null,
      everyMs: 3_600_000,
      now: () => clock,
    }),
    userSignals({
      services: ['mail-triage'],
      telemetry: { window: async (_service, fromMs, toMs) => ((reads += 1), rowsOf(fromMs, toMs)) },
      everyMs: 3_600_000,
      now: () => clock,
    }),
  ]);
  await environment.sample();
  environment.close();
  return { assess: environment.assess, reads: () => reads };
}

/** The standby answers its probes well: what both share is in order. */
const engine: Engine = {
  name: 'test',
  ready: async () => ({ ready: true, why: '' }),
  identity: async () => ({ digest: 'd', version: '1.2', means: 'reported-digest' }),
  infer: async () => ({ status: 200, ms: 1, outputs: { label: 'bulk' }, headers: {} }),
};
const standby = { address: 'http://127.0.0.1:9', instance: 'i', digest: 'd', version: '1.2' };
const artifacts: CausePorts['artifacts'] = {
  list: unused,
  get: unused,
  verify: unused,
  materialise: unused,
  annotate: unused,
  probes: async () => [{ id: 'p', request: {}, expect: { output: 'label', value: 'bulk' } }],
};

async function causeOf(
  environment: Environment,
  tier: Tier,
  nowMs: number,
  deployedAt: number | null,
): Promise<AttributionResult> {
  const verdict = verdictOf(tier, nowMs);
  if (tier === 'immediate')
    return await quickCause(
      { artifacts, environment, engine: () => engine },
      watchInput({ deployedAt, standby }),
      verdict,
    );
  const telemetry: Telemetry = {
    follow: unused,
    window: unused,
    samples: async () => ({ off: false, samples: [] }),
    feedback: unused,
    answer: unused,
    answersAt: unused,
  };
  const router = { read: unused, apply: unused, fence: unused, drained: unused, entrance: unused };
  const ports = { telemetry, artifacts, environment, router, engine: () => engine, repeatable: () => true };
  const found = await attributeCause(ports)({
    service: 'mail-triage',
    verdict,
    version: '1.3',
    previous: standby,
    model: 'mail',
    deployedAt,
    replay: policy.replay,
    now: nowMs,
  });
  return { attribution: found.attribution, reasons: [...found.reasons] };
}

const tiers: Tier[] = ['immediate', 'short-window', 'trend'];

describe.each(tiers)('a verdict of the %s tier', (tier) => {
  const nowMs = Date.now();

  it('that changed inputs explain is laid to the environment, and says which field, how, since when, where to look', async () => {
    const found = await causeOf(await around('inputs', tier, nowMs), tier, nowMs, null);
    expect(found.attribution).toBe('environment');
    const said = found.reasons.slice(0, 6).join('\n');
    expect(said).toContain('changed at the same onset: inputs:age');
    expect(said).toMatch(
      /inputs:age: (98|100) % are missing \(limit 5 %, 0 % before\) of \d+, since about \d\d:\d\d:\d\d UTC/,
    );
    expect(placesOf(found.reasons)).toBe('Look at what sends the field age');
  });

  it('that the host explains is laid to the environment, and names it', async () => {
    const found = await causeOf(await around('cpu', tier, nowMs), tier, nowMs, null);
    expect(found.attribution).toBe('environment');
    expect(found.reasons.join('\n')).toMatch(/cpu: 99 % busy \(limit 95 %, 30 % before\), since \d\d:\d\d:\d\d UTC/);
    expect(placesOf(found.reasons)).toBe('Look at cpu of this host');
  });

  it('after a deploy is laid to the model although its failures make clients try again', async () => {
    const verdict = verdictOf(tier, nowMs);
    const deployedAt = (verdict.onsetMs ?? 0) - 5_000;
    const found = await causeOf(await around('retries', tier, nowMs), tier, nowMs, deployedAt);
    expect(found).toMatchObject({ attribution: 'model' });
    expect(placesOf(found.reasons)).toBeNull();
  });

  it('with changed inputs and a deploy is laid to neither, and both are said', async () => {
    const verdict = verdictOf(tier, nowMs);
    const deployedAt = (verdict.onsetMs ?? 0) - 5_000;
    const found = await causeOf(await around('inputs', tier, nowMs), tier, nowMs, deployedAt);
    expect(found.attribution).toBe('undetermined');
    expect(found.reasons.join('\n')).toMatch(/inputs:age.*\n.*\n?.*after the deploy/s);
  });

  it('around which nothing changed excuses nobody', async () => {
    const found = await causeOf(await around('nothing', tier, nowMs), tier, nowMs, nowMs - day / 2);
    expect(found.attribution).not.toBe('environment');
  });
});

it('an onset without an interval rules nothing out as later: the moment may be too early', () => {
  const nowMs = Date.now();
  const verdict = verdictOf('short-window', nowMs);
  const { onsetMs, onsetLowMs: lowMs, onsetHighMs: highMs } = verdict;
  expect(onsetOf(verdict, nowMs)).toEqual({ lowMs, highMs });
  const vague = { ...verdict, onsetLowMs: null, onsetHighMs: null };
  expect(onsetOf(vague, nowMs)).toEqual({ lowMs: onsetMs, highMs: nowMs });
  expect(onsetOf({ ...vague, onsetMs: null, sinceMs: null }, nowMs)).toEqual({ lowMs: nowMs, highMs: nowMs });
});

describe('while users wait', () => {
  it('nothing is read from anywhere far: the cause comes from what was read ahead', async () => {
    const nowMs = Date.now();
    const environment = await around('inputs', 'immediate', nowMs);
    const before = environment.reads();
    await causeOf(environment, 'immediate', nowMs, null);
    expect(environment.reads()).toBe(before);
  });

  it('samples that are off are said, and do not keep a proof of the standby from naming the model', async () => {
    const environment: Environment = {
      assess: async () => ({ changed: [], unmeasured: ['inputs (samples are off)', 'users'], facts: {} }),
    };
    const found = await causeOf(environment, 'immediate', Date.now(), null);
    expect(found.attribution).toBe('model');
    expect(found.reasons.join('\n')).toContain('not measured: inputs (samples are off), users');
  });

  it('a machine that could not be read does', async () => {
    const blind: Environment = { assess: async () => ({ changed: [], unmeasured: ['gpu-1:gpu-busy'], facts: {} }) };
    expect((await causeOf(blind, 'immediate', Date.now(), null)).attribution).toBe('undetermined');
  });

  it('an environment that does not answer is unmeasured after 150 ms', async () => {
    const slow: Environment = { assess: () => new Promise(() => undefined) };
    expect((await causeOf(slow, 'immediate', Date.now(), null)).reasons.join('\n')).toContain(
      'not measured: environment',
    );
  });
});
