import type { HandledUnit, Pipeline, TreatOrder } from '../../../activities/ports';
import { itemKey } from '../../../domain/items/treated';
import type { ScriptedModel } from '../pipelines/scripted-model';

export interface SourceItem {
  readonly id: string;
  readonly version: string;
  readonly atMs: number;
  readonly text: string;
  readonly batch?: string;
}

/** One pipeline with its surroundings, empty at first. */
export interface PipelineSubject {
  readonly pipeline: Pipeline;
  readonly model: ScriptedModel;
  fill(items: readonly SourceItem[]): Promise<void>;
  /** Effects in the sink, counted there: item → results in the order in which they came. */
  effects(): Promise<Map<string, string[]>>;
  /** Nobody answers from now on / again. Absent where that is tested elsewhere. */
  down?(): Promise<void>;
  up?(): Promise<void>;
}

export const T0 = Date.parse('2026-05-01T12:00:00Z');
export const window = { version: '1.3', fromMs: T0, toMs: T0 + 600_000 };

export const orderOf = (change: Partial<TreatOrder> = {}): TreatOrder => ({
  service: 'mail',
  incident: '2026-05-01-1',
  pipeline: 'triage',
  action: 'reprocess',
  why: 'flagged by the policy of the pipeline',
  version: '1.3',
  unit: 'item',
  ...change,
});

export function itemsOf(count: number, change: Partial<SourceItem> = {}): SourceItem[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `item-${String(index).padStart(4, '0')}`,
    version: '1.3',
    atMs: T0 + index * 10,
    text: `t${index}`,
    ...change,
  }));
}

export async function listAll(pipeline: Pipeline, limit = 7, of = window): Promise<HandledUnit[]> {
  const units: HandledUnit[] = [];
  for (let cursor: string | null = null, pages = 0; ; pages++) {
    if (pages > 1_000) throw new Error('the list has no end');
    const page = await pipeline.list(of, cursor, limit);
    units.push(...page.units);
    if (page.next === null) return units;
    cursor = page.next;
  }
}

const signal = new AbortController().signal;

/** What every pipeline with a source and a sink does, whatever it is made of. */
export function pipelineContract(name: string, open: () => Promise<PipelineSubject>): void {
  describe(`${name} as a pipeline`, () => {
    it('lists what the version handled in the window, in pages without a gap or a repetition', async () => {
      const { pipeline, fill } = await open();
      await fill([
        ...itemsOf(25),
        { id: 'early', version: '1.3', atMs: T0 - 1, text: 'e' },
        { id: 'late', version: '1.3', atMs: T0 + 600_000, text: 'l' },
        { id: 'other', version: '1.2', atMs: T0 + 5, text: 'o' },
      ]);

      const ids = (await listAll(pipeline)).map(({ id }) => id);

      expect(ids).toEqual(itemsOf(25).map(({ id }) => id));
    });

    it('redoes each item once, with the key of incident, pipeline and item, and says which version did', async () => {
      const { pipeline, fill, effects, model } = await open();
      await fill(itemsOf(12));
      const units = await listAll(pipeline);

      const treated = await pipeline.treat(orderOf(), units, signal);

      expect(treated).toHaveLength(12);
      expect(treated.every(({ outcome, version }) => outcome === 'redone' && version === '1.2')).toBe(true);
      expect([...(await effects())]).toEqual(itemsOf(12).map(({ id, text }) => [id, [`good:${text}`]]));
      expect(new Set(model.keys)).toEqual(new Set(itemsOf(12).map(({ id }) => itemKey('2026-05-01-1', 'triage', id))));
    });

    it('has no second effect when it is told again, and answers as before', async () => {
      const { pipeline, fill, effects } = await open();
      await fill(itemsOf(9));
      const units = await listAll(pipeline);
      const first = await pipeline.treat(orderOf(), units, signal);

      const again = await pipeline.treat(orderOf(), units, signal);

      expect(again.map(({ item, outcome }) => [item, outcome])).toEqual(
        first.map(({ item, outcome }) => [item, outcome]),
      );
      expect([...(await effects()).values()].every((results) => results.length === 1)).toBe(true);
    });

    it('flags an item that the model refuses, and redoes the others', async () => {
      const { pipeline, fill, effects, model } = await open();
      await fill(itemsOf(5));
      model.before = (key) => (key.endsWith('item-0002') ? { kind: 'refused', status: 422 } : undefined);

      const treated = await pipeline.treat(orderOf(), await listAll(pipeline), signal);

      const bad = treated.filter(({ outcome }) => outcome !== 'redone');
      expect(bad.map(({ item, outcome, why }) => [item, outcome, why])).toEqual([
        ['item-0002', 'flagged', 'the model answered 422'],
      ]);
      expect((await effects()).has('item-0002')).toBe(false);
      expect((await effects()).size).toBe(4);
    });

    it('writes nothing while the model is away, and everything once when it is back', async () => {
      const { pipeline, fill, effects, model } = await open();
      await fill(itemsOf(4));
      const units = await listAll(pipeline);
      model.before = () => model.unavailable();
      await expect(pipeline.treat(orderOf(), units, signal)).rejects.toMatchObject({ name: 'ModelUnavailable' });
      expect((await effects()).size).toBe(0);
      model.before = () => undefined;

      await pipeline.treat(orderOf(), units, signal);

      expect([...(await effects()).values()].map((results) => results.length)).toEqual([1, 1, 1, 1]);
    });

    it('flags without asking the model or having an effect', async () => {
      const { pipeline, fill, effects, model } = await open();
      await fill(itemsOf(3));

      const treated = await pipeline.treat(orderOf({ action: 'flag' }), await listAll(pipeline), signal);

      expect(treated.map(({ outcome }) => outcome)).toEqual(['flagged', 'flagged', 'flagged']);
      expect([model.keys.length, (await effects()).size]).toEqual([0, 0]);
    });

    it('is not touched by two who do the same at the same time more than once', async () => {
      const { pipeline, fill, effects } = await open();
      await fill(itemsOf(30));
      const units = await listAll(pipeline);

      await Promise.all([pipeline.treat(orderOf(), units, signal), pipeline.treat(orderOf(), units, signal)]);

      expect([...(await effects()).values()].map((results) => results.length)).toEqual(Array(30).fill(1));
    });
  });
}
