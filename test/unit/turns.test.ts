import { eachInTurn, Turns } from '../../workers/turns';

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `s${at}`);

describe('turns of many', () => {
  it('come to everybody before anybody has a second one, however many are due at once', () => {
    const turns = new Turns(names(25), 100, 10);
    const looks = [0, 500, 1_000].map((now) => turns.take(now));
    expect(looks.map(({ length }) => length)).toEqual([10, 10, 10]);
    expect(new Set(looks.flat()).size).toBe(25);
  });

  it('come no sooner than the time of each is over', () => {
    const turns = new Turns(names(3), 5_000, 10);
    expect(turns.take(0)).toHaveLength(3);
    expect(turns.take(4_999)).toEqual([]);
    expect(turns.take(5_000)).toHaveLength(3);
  });

  it('come at once to whom something happened, and to the others in their order', () => {
    const turns = new Turns(names(30), 1_000, 2);
    turns.take(0);
    expect(turns.take(500, new Set(['s29', 's0']))).toEqual(['s29', 's0']);
    expect(turns.take(501)).toEqual(['s2', 's3']);
  });
});

describe('the work of many', () => {
  const { signal } = new AbortController();

  it('is done so many at a time', async () => {
    let running = 0;
    let most = 0;
    const done: string[] = [];
    const work = async (name: string): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      done.push(name);
    };
    await eachInTurn(names(20), work, { atOnce: 4, signal });
    expect([most, done.length]).toEqual([4, 20]);
  });

  it('is spread over the time that it is given', async () => {
    const began = performance.now();
    const at: number[] = [];
    await eachInTurn(names(5), () => Promise.resolve(void at.push(performance.now() - began)), {
      ...{ atOnce: 4, withinMs: 250, signal },
    });
    for (const [index, moment] of at.entries()) expect(moment).toBeGreaterThanOrEqual(index * 50 - 2);
  });

  it('ends with the signal', async () => {
    const over = new AbortController();
    let done = 0;
    const work = (): Promise<void> => {
      done += 1;
      over.abort();
      return Promise.resolve();
    };
    await eachInTurn(names(50), work, { atOnce: 1, signal: over.signal });
    expect(done).toBe(1);
  });
});
