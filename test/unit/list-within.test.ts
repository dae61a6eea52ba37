import { listWithin } from '../../adapters/artifacts/registry/list-within';
import type { Registry } from '../../adapters/artifacts/registry/registry';

/** Answers page after page, and never ends. */
const endless = {
  where: 'mail at mlflow',
  list: async (signal: AbortSignal): Promise<never> => {
    for (;;) {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  },
} as unknown as Registry;

it('a registry that answers on and on is given up, by name, when the whole list takes too long', async () => {
  const { signal } = new AbortController();
  await expect(listWithin(endless, signal, 50)).rejects.toThrow(
    'mail at mlflow: its versions were not listed within 50 ms',
  );
});

it('whoever asked and stops is told so, not that the registry is slow', async () => {
  await expect(listWithin(endless, AbortSignal.abort(new Error('stopped')), 60_000)).rejects.toThrow('stopped');
});
