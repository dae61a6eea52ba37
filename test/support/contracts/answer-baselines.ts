import type { AnswerBaselines, FrozenAnswers } from '../../../activities/ports';

/** What every store of frozen answers does. */
export function answerBaselinesContract(name: string, make: () => AnswerBaselines): void {
  describe(`${name} as a store of frozen answers`, () => {
    const frozen: FrozenAnswers = {
      by: 'hashed',
      fromMs: 1,
      toMs: 2,
      answers: [
        { answer: Float32Array.of(0.1, -1), input: Float32Array.of(3), characters: 7, refusal: false, illFormed: true },
        {
          answer: Float32Array.of(1e-9, 2),
          input: null,
          characters: 0,
          refusal: true,
          illFormed: false,
          cutShort: true,
        },
      ],
      prompts: ['one', 'two'],
    };

    it('knows nothing before it was told, and gives back what was frozen, by service, version and kind', async () => {
      const store = make();
      expect(await store.read('chat', '1', 'window')).toBeNull();
      await store.freeze('chat', '1', 'window', frozen);
      expect((await store.read('chat', '1', 'window'))?.frozen).toEqual(frozen);
      expect(await store.read('chat', '1', 'canary')).toBeNull();
      expect(await store.read('chat', '1.1', 'window')).toBeNull();
      expect(await store.read('other', '1', 'window')).toBeNull();
    });

    it('names the content by a digest that changes with it', async () => {
      const store = make();
      await store.freeze('chat', '1', 'window', frozen);
      const first = (await store.read('chat', '1', 'window'))?.digest;
      expect(first).toMatch(/^sha256:/);
      await store.freeze('chat', '1', 'window', { ...frozen, toMs: 3 });
      const second = await store.read('chat', '1', 'window');
      expect(second?.frozen.toMs).toBe(3);
      expect(second?.digest).not.toBe(first);
    });
  });
}
