import { actionOf, windowOf, type PipelinePolicy } from '../../../domain/items/pipeline-policy';
import { itemKey } from '../../../domain/items/treated';

const policy = (change: Partial<PipelinePolicy> = {}): PipelinePolicy => ({
  name: 'triage',
  action: 'reprocess',
  ...change,
});

describe('what is done with the items of a pipeline', () => {
  it.each([
    ['reprocess as asked', policy(), 'reprocess'],
    ['flush as asked', policy({ action: 'flush' }), 'flush'],
    ['flag instead of flushing under a legal hold', policy({ action: 'flush', legalHold: true }), 'flag'],
    ['reprocess under a legal hold, which deletes nothing', policy({ legalHold: true }), 'reprocess'],
    ['flag what cannot be undone', policy({ effects: 'irreversible' }), 'flag'],
    [
      'redo what cannot be undone where that is allowed',
      policy({ effects: 'irreversible', redo: 'allowed' }),
      'reprocess',
    ],
    [
      'never flush what cannot be undone',
      policy({ action: 'flush', effects: 'irreversible', redo: 'allowed' }),
      'flag',
    ],
  ])('%s', (_, given, expected) => {
    const { action, why } = actionOf(given);
    expect(action).toBe(expected);
    expect(why === null).toBe(action === given.action);
  });

  it('covers the margins before the onset and after the shift', () => {
    const times = { onsetAt: 1_000_000, shiftedAt: 2_000_000 };
    expect(windowOf(policy(), times)).toEqual({ fromMs: 700_000, toMs: 2_060_000 });
    expect(windowOf(policy({ beforeMs: 0, afterMs: 5 }), times)).toEqual({ fromMs: 1_000_000, toMs: 2_000_005 });
    expect(windowOf(policy(), { ...times, pinnedUntil: 5_000_000 }).toMs).toBe(5_060_000);
    expect(windowOf(policy(), { ...times, pinnedUntil: 1_500_000 }).toMs).toBe(2_060_000);
  });

  it('names an item by a key of ASCII whose parts cannot run into each other', () => {
    expect(itemKey('2026-05-01-1', 'triage', 'a/b ü\n')).toBe('2026-05-01-1/triage/a%2Fb%20%C3%BC%0A');
  });
});
