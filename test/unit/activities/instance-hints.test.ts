import { hintsOf } from '../../../activities/instance-hints';
import type { InstanceEvent, ServingRuntime } from '../../../activities/ports';
import { FakeServingRuntime } from '../../support/fakes/serving-runtime';

const death: InstanceEvent = { at: 1, event: 'died', instance: 'mail@1#a', detail: '137' };
const never = new AbortController().signal;

/** A runtime that tells what it is given. */
function telling(): { runtime: ServingRuntime; tell(event: InstanceEvent): void; fail(): void; ended: () => boolean } {
  let ended = false;
  let next: ((event: InstanceEvent | null) => void) | null = null;
  const runtime: ServingRuntime = Object.assign(new FakeServingRuntime(), {
    async *events(_service: string, signal: AbortSignal): AsyncGenerator<InstanceEvent> {
      signal.addEventListener('abort', () => (ended = true));
      while (!signal.aborted) {
        const event = await new Promise<InstanceEvent | null>((resolve) => (next = resolve));
        if (event === null) throw new Error('the stream broke');
        yield event;
      }
    },
  });
  return { runtime, tell: (event) => next?.(event), fail: () => next?.(null), ended: () => ended };
}

test('an event ends the wait for the next look at once', async () => {
  const { runtime, tell, ended } = telling();
  const told: string[] = [];
  const hints = hintsOf(runtime, 'mail', ({ event }) => told.push(event));
  const began = performance.now();
  setTimeout(() => tell(death), 20);
  await hints.orAfter(10_000, never);
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(told).toEqual(['died']);
  hints.close();
  expect(ended()).toBe(true);
});

test('an event during a look makes the next look come at once, and only that one', async () => {
  const { runtime, tell } = telling();
  const hints = hintsOf(runtime, 'mail', () => undefined);
  await new Promise((resolve) => setTimeout(resolve, 5));
  tell(death);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const began = performance.now();
  await hints.orAfter(10_000, never);
  expect(performance.now() - began).toBeLessThan(5_000);
  const again = performance.now();
  await hints.orAfter(50, never);
  expect(performance.now() - again).toBeGreaterThan(40);
  hints.close();
});

test('without events, or with a stream that broke, the looks come by their clock', async () => {
  const plain = hintsOf(new FakeServingRuntime(), 'mail', () => undefined);
  await plain.orAfter(20, never);
  const { runtime, fail } = telling();
  const told: string[] = [];
  const broken = hintsOf(runtime, 'mail', ({ event, detail }) => told.push(`${event}: ${detail}`));
  await new Promise((resolve) => setTimeout(resolve, 5));
  fail();
  await broken.orAfter(20, never);
  expect(told).toEqual(['engine-lost: the stream broke']);
  const given = new AbortController();
  setTimeout(() => given.abort(), 10);
  await broken.orAfter(10_000, given.signal);
});
