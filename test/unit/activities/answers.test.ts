import { MockActivityEnvironment } from '@temporalio/testing';
import { assessAnswers, type AnswerPorts, type AnswersAssessed } from '../../../activities/answers/assess-answers';
import { assessShortWindow } from '../../../activities/assess-short-window';
import type { AnswerChecks, Embedder, Engine, GoldenProbe } from '../../../activities/ports';
import { hashedEmbedder } from '../../../adapters/embedding/hashed';
import type { Sample } from '../../../gateway/protocol';
import type { AssessmentInput } from '../../../workflows/contract/activities';
import { FakeAnswerBaselines } from '../../support/fakes/answer-baselines';
import { mulberry32 } from '../../support/mulberry32';
import { baseline, policy, startMs } from './detection-rows';

const minute = 60_000;
const goodUntil = startMs + 30 * minute;
const cities = ['Hamburg', 'Bremen', 'Lyon', 'Porto', 'Turin', 'Graz'];
const draw = mulberry32(9);
const oneOf = <T>(values: readonly T[]): T => values[Math.floor(draw() * values.length)] as T;

const answered = (): string =>
  `Your parcel ${Math.floor(draw() * 900)} left ${oneOf(cities)} on ${oneOf(['Monday', 'Tuesday', 'Friday'])} and is on its way to you.`;
const declined = (): string => `I'm sorry, but I can't assist with parcel ${Math.floor(draw() * 900)}.`;
const asked = (): string => JSON.stringify({ ask: `Where is my parcel to ${oneOf(cities)}?` });

/** A service with samples that a test adds to, and a model whose canary answers it may change. */
class World {
  readonly baselines = new FakeAnswerBaselines();
  embedder: Embedder = hashedEmbedder();
  off = false;
  probes: GoldenProbe[] = Array.from({ length: 5 }, (_, index) => ({
    id: `p${index}`,
    request: { ask: `question ${index}` },
    expect: { output: 'text', value: 'x' },
  }));
  says: (ask: string) => string = (ask) => `The answer to ${ask} is yes.`;
  canaryEveryMs: number | null = null;
  readonly checks = (): AnswerChecks => ({
    embedder: this.embedder,
    baselines: this.baselines,
    model: 'chat',
    windowAnswers: 50,
    baselineAnswers: 100,
    canaryEveryMs: this.canaryEveryMs,
    features: { form: { kind: 'pattern', pattern: 'parcel' } },
  });
  private samples: Sample[] = [];
  private charts: AssessmentInput['charts'] = {};

  /** So many answers, evenly from then on for ten minutes. */
  add(
    count: number,
    fromMs: number,
    answer: () => string = answered,
    question: () => string = asked,
    finish: (() => string) | null = null,
  ): void {
    for (let index = 0; index < count; index += 1) {
      const atMs = fromMs + (index * 10 * minute) / count;
      this.samples.push({
        requestId: `${atMs}`, atMs, version: '1.3', path: '/', contentType: 'application/json',
        body: question(), predicted: null, score: null, label: null, answer: answer(),
        ...(finish === null ? {} : { finish: finish() }),
      }); // prettier-ignore
    }
  }

  async assess(now: number, change: Partial<AssessmentInput> = {}): Promise<AnswersAssessed> {
    const input: AssessmentInput = {
      service: 'chat',
      version: '1.3',
      epoch: 7,
      routedAt: startMs,
      now,
      charts: this.charts,
      standing: [],
      baseline: { ...baseline, periods: [{ version: '1.3', from: startMs, to: goodUntil }] },
      policy,
      ...change,
    };
    const result = (await new MockActivityEnvironment().run(assessAnswers(this.ports()), input)) as AnswersAssessed;
    // As the workflow carries it.
    this.charts = JSON.parse(JSON.stringify(result.charts)) as AssessmentInput['charts'];
    expect(JSON.stringify(this.charts).length).toBeLessThan(4_096);
    return result;
  }

  ports(): AnswerPorts {
    const unused = (): never => {
      throw new Error('was called and is not stubbed');
    };
    const engine: Engine = {
      name: 'fake',
      ready: unused,
      identity: unused,
      infer: async (_address, _model, body) => {
        const { ask } = body as { ask: string };
        return { status: 200, ms: 1, outputs: { text: this.says(ask) }, headers: {} };
      },
    };
    const backend = { address: 'http://127.0.0.1:1', instance: 'chat@1.3#1', digest: 'sha256:1' };
    const record = { service: 'chat', epoch: 7, primary: '1.3', pins: [], backends: { '1.3': [backend] } };
    const state = {
      service: 'chat',
      floor: 7,
      inForceSince: null,
      fallback: null,
      inFlight: {},
      pinned: {},
      lastSeq: 0,
    };
    const newest = (limit: number): Sample[] => [...this.samples].sort((a, b) => b.atMs - a.atMs).slice(0, limit);
    return {
      answerChecks: () => this.checks(),
      engine: () => engine,
      artifacts: { list: unused, get: unused, verify: unused, materialise: unused, annotate: unused, probes: async () => this.probes }, // prettier-ignore
      router: { read: async () => ({ ...state, record }), apply: unused, fence: unused, drained: unused, entrance: unused }, // prettier-ignore
      telemetry: { follow: unused, window: unused, feedback: unused, answer: unused, answersAt: unused, samples: async (_s, { limit }) => ({ off: this.off, samples: this.off ? [] : newest(limit) }) }, // prettier-ignore
    };
  }
}

const kindOf = ({ judged }: AnswersAssessed, metric: string) =>
  judged.find(({ reading }) => reading.metric === metric)?.reading.kind;
const verdicts = ({ judged }: AnswersAssessed) => judged.flatMap(({ verdict }) => verdict ?? []);

/** With a baseline that is frozen from the good period, and one good window after it. */
async function settled(): Promise<World> {
  const world = new World();
  world.add(120, startMs + minute);
  expect(kindOf(await world.assess(goodUntil), 'semantic-drift')).toBe('inconclusive');
  world.add(50, goodUntil + minute);
  expect(kindOf(await world.assess(goodUntil + 12 * minute), 'semantic-drift')).toBe('ok');
  return world;
}

describe('a window of answers', () => {
  it("is compared with answers of the version's own good period, and says ok while nothing changes", async () => {
    const world = await settled();
    const kept = world.baselines.kept.get('chat/1.3/window');
    expect(kept?.frozen).toMatchObject({ by: 'hashed-ngrams/1 3-5 512' });
    expect(kept?.frozen.answers).toHaveLength(100);
    expect(JSON.stringify([...(kept?.frozen.answers ?? [])])).not.toContain('parcel');
    for (let window = 1; window <= 4; window += 1) {
      world.add(50, goodUntil + 12 * minute * window + minute);
      const result = await world.assess(goodUntil + 12 * minute * (window + 1));
      expect(result.judged.map(({ reading }) => [reading.metric, reading.kind])).toEqual([
        ['semantic-drift', 'ok'],
        ['answer-length', 'ok'],
        ['refusal-rate', 'ok'],
        ['ill-formed-rate', 'ok'],
      ]);
    }
  });

  it('that differs is degraded when the next one differs too, and says distance, limit, p, PSI and KL', async () => {
    const world = await settled();
    const changedAt = goodUntil + 13 * minute;
    world.add(50, changedAt, declined);
    const first = await world.assess(changedAt + 11 * minute);
    expect(kindOf(first, 'semantic-drift')).toBe('inconclusive');
    expect(verdicts(first)).toEqual([]);
    // Nothing new was answered: the same window is not counted twice.
    expect(verdicts(await world.assess(changedAt + 12 * minute))).toEqual([]);

    world.add(50, changedAt + 13 * minute, declined);
    const second = await world.assess(changedAt + 24 * minute);
    const found = new Map(verdicts(second).map((verdict) => [verdict.metric, verdict]));
    expect([...found.keys()]).toEqual(['semantic-drift', 'answer-length', 'refusal-rate']);
    expect(found.get('semantic-drift')).toMatchObject({
      kind: 'degraded',
      tier: 'short-window',
      samples: 50,
      onsetMs: changedAt,
    });
    expect(found.get('semantic-drift')?.sentence).toMatch(
      /^energy distance of the answers [\d.]+ \(limit 0\.\d+, p 0\.0005; 50 against 100 of the baseline\); PSI [\d.]+ \(limit [\d.]+\), KL [\d.]+ \(limit [\d.]+\), the second window in a row, since about/,
    );
    expect(found.get('semantic-drift')?.baseline).toMatch(/^100 answers of 1\.3 from 2026-05-01 .*sha256:1$/);
    expect(found.get('refusal-rate')?.sentence).toContain('50 of 50 answers declined (100 %), in the baseline 0 %');
    const { observed, ucl, lcl } = found.get('answer-length') ?? {};
    expect(observed).toBeLessThan(lcl ?? 0);
    expect(lcl).toBeLessThan(ucl ?? 0);
  });

  it('whose server tells why answers ended is watched for those that are cut short and those that a filter stopped', async () => {
    const world = new World();
    const usual = (): string => (draw() < 0.05 ? 'length' : 'stop');
    world.add(120, startMs + minute, answered, asked, usual);
    await world.assess(goodUntil);
    world.add(50, goodUntil + minute, answered, asked, usual);
    expect(kindOf(await world.assess(goodUntil + 12 * minute), 'cut-short-rate')).toBe('ok');
    const ends = (): string => (draw() < 0.4 ? 'length' : draw() < 0.5 ? 'content_filter' : 'stop');
    world.add(50, goodUntil + 13 * minute, answered, asked, ends);
    expect(kindOf(await world.assess(goodUntil + 24 * minute), 'cut-short-rate')).toBe('inconclusive');
    world.add(50, goodUntil + 25 * minute, answered, asked, ends);
    const second = verdicts(await world.assess(goodUntil + 36 * minute));
    expect(second.map(({ metric }) => metric)).toEqual(['refusal-rate', 'cut-short-rate']);
    expect(second[1]?.sentence).toMatch(/^\d\d of 50 answers were cut short \(\d\d %\), in the baseline \d/);
    // It says so no more: nothing is known, and nothing is held against it.
    world.add(50, goodUntil + 37 * minute);
    expect(kindOf(await world.assess(goodUntil + 48 * minute), 'cut-short-rate')).toBeUndefined();
  });

  it('whose questions changed as well accuses nobody', async () => {
    const world = await settled();
    const other = (): string =>
      JSON.stringify({ ask: `Write a poem about ${oneOf(['rain', 'the sea', 'autumn', 'snow'])}.` });
    for (let window = 0; window < 3; window += 1) {
      const at = goodUntil + 13 * minute * (window + 1);
      world.add(50, at, declined, other);
      const result = await world.assess(at + 11 * minute);
      expect(verdicts(result)).toEqual([]);
      expect(kindOf(result, 'semantic-drift')).toBe('inconclusive');
    }
  });

  it('waits for enough answers, and takes fewer when they come slowly', async () => {
    const world = await settled();
    const at = goodUntil + 13 * minute;
    world.add(25, at);
    const soon = await world.assess(at + 11 * minute);
    expect(soon.judged[0]?.reading).toMatchObject({ kind: 'ok', samples: 50 });
    const late = await world.assess(at + 21 * minute);
    expect(late.judged[0]?.reading).toMatchObject({ kind: 'ok', samples: 25 });
  });

  it('makes a baseline neither outside good periods nor while something stands', async () => {
    const world = new World();
    world.add(120, goodUntil + minute);
    await world.assess(goodUntil + 15 * minute);
    world.add(120, startMs + minute);
    await world.assess(goodUntil + 16 * minute, { standing: [{ id: 'x' } as AssessmentInput['standing'][number]] });
    expect(world.baselines.kept.size).toBe(0);
  });

  it('is unmeasured, and forgets nothing, when samples are off or nobody embeds', async () => {
    const world = await settled();
    const at = goodUntil + 13 * minute;
    world.add(50, at, declined);
    await world.assess(at + 11 * minute);
    world.add(50, at + 12 * minute, declined);
    world.embedder = { embed: async () => await Promise.reject(new Error('down')) };
    const down = await world.assess(at + 23 * minute);
    expect(new Set(down.judged.map(({ reading }) => reading.kind))).toEqual(new Set(['unmeasured']));
    world.off = true;
    expect(kindOf(await world.assess(at + 24 * minute), 'refusal-rate')).toBe('unmeasured');
    world.off = false;
    world.embedder = hashedEmbedder();
    expect(verdicts(await world.assess(at + 25 * minute)).length).toBeGreaterThan(0);
  });

  it('of another embedder is not compared with the old baseline', async () => {
    const world = await settled();
    const { embed } = hashedEmbedder();
    world.embedder = { embed: async (texts, signal) => ({ ...(await embed(texts, signal)), by: 'another' }) };
    world.add(50, goodUntil + 13 * minute, declined);
    const result = await world.assess(goodUntil + 24 * minute);
    expect(kindOf(result, 'semantic-drift')).toBe('inconclusive');
    expect(world.baselines.kept.get('chat/1.3/window')?.frozen.by).toBe('another');
  });
});

describe('canaries', () => {
  async function withBaseline(change: Partial<World> = {}): Promise<World> {
    const world = Object.assign(new World(), { canaryEveryMs: 15 * minute, off: true }, change);
    expect(kindOf(await world.assess(startMs), 'canary-drift')).toBe('inconclusive');
    return world;
  }

  it('are asked when they are due, and are ok while the answers are as varied as before', async () => {
    const world = await withBaseline({
      says: (ask) => `The answer to ${ask} is ${oneOf(['yes', 'surely yes', 'yes indeed'])}.`,
    });
    expect(world.baselines.kept.get('chat/1.3/canary')?.frozen.answers).toHaveLength(25);
    for (let round = 1; round <= 5; round += 1) {
      expect(kindOf(await world.assess(startMs + round * 16 * minute), 'canary-drift')).toBe('ok');
    }
  });

  it('find another model behind the same name at the second time', async () => {
    const world = await withBaseline();
    world.says = (ask) => `No. ${ask} has no answer that I may give.`;
    const first = await world.assess(startMs + 16 * minute);
    expect(kindOf(first, 'canary-drift')).toBe('inconclusive');
    // Not due yet: what was found stands, and counts once.
    expect(verdicts(await world.assess(startMs + 20 * minute))).toEqual([]);
    const [verdict] = verdicts(await world.assess(startMs + 32 * minute));
    expect(verdict).toMatchObject({
      metric: 'canary-drift',
      kind: 'degraded',
      onsetMs: startMs + 16 * minute,
      samples: 5,
    });
    expect(verdict?.sentence).toContain('mean cosine of an answer then and now');
  });

  it('that are too few to prove anything say so by never being ok', async () => {
    const world = await withBaseline({ probes: new World().probes.slice(0, 2) });
    world.says = () => 'Something else entirely.';
    await world.assess(startMs + 16 * minute);
    expect(kindOf(await world.assess(startMs + 32 * minute), 'canary-drift')).toBe('inconclusive');
  });

  it('are unmeasured where there are no probes, and absent where they are off', async () => {
    const without = Object.assign(new World(), { canaryEveryMs: minute, off: true, probes: [] });
    expect(kindOf(await without.assess(startMs), 'canary-drift')).toBe('unmeasured');
    const off = Object.assign(new World(), { off: true });
    expect(kindOf(await off.assess(startMs), 'canary-drift')).toBeUndefined();
  });
});

test('the short window reports what the answers say beside its other metrics, and ends it when they are good again', async () => {
  const world = await settled();
  const at = goodUntil + 13 * minute;
  const environment = { assess: async () => ({ changed: [], unmeasured: [], facts: {} }) };
  const ports = world.ports();
  const telemetry = { ...ports.telemetry, window: async () => [] };
  const answers = (input: AssessmentInput) =>
    world.assess(input.now, input.standing.length > 0 ? { standing: input.standing } : {});
  const assess = assessShortWindow({ telemetry, router: ports.router, environment, answers });
  const input = (now: number, standing: AssessmentInput['standing'] = []): AssessmentInput => ({
    service: 'chat', version: '1.3', epoch: 7, routedAt: startMs, now, charts: {}, standing, baseline, policy,
  }); // prettier-ignore

  world.add(50, at, declined);
  expect((await assess(input(at + 11 * minute))).began).toEqual([]);
  world.add(50, at + 12 * minute, declined);
  const bad = await assess(input(at + 23 * minute));
  expect(bad.began.map(({ verdict }) => verdict.metric)).toContain('semantic-drift');
  expect(bad.charts).toHaveProperty('answers');
  world.add(50, at + 24 * minute);
  const good = await assess(input(at + 35 * minute, bad.began));
  expect(good.ended.map(({ id }) => id).sort()).toEqual(bad.began.map(({ id }) => id).sort());
});
