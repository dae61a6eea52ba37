import { seededUniform } from '../../../domain/detection/seeded-random';
import { userFindings } from '../../../domain/environment/user-behaviour';
import { UserMinutes, type UserRow } from '../../../domain/environment/user-minutes';
import type { SignalFinding } from '../../../domain/environment/finding';

const startMs = Date.UTC(2026, 4, 2, 12);
const minute = 60_000;
const onsetMs = startMs + 90 * minute;
const degradation = { lowMs: onsetMs, highMs: onsetMs + 30_000 };

function rowOf(fromMs: number, change: Partial<UserRow> = {}): UserRow {
  return { fromMs, requests: 20, failures: 0, timeouts: 0, cut: 0, clientErrors: 0, labels: {}, ...change };
}

/** Rows of one second from `fromMs` to `toMs`, each made by `make`; noisy by a seed. */
function users(
  toMs: number,
  make: (atMs: number, noise: number) => Partial<UserRow>,
  fromMs: number = startMs,
): UserMinutes {
  const minutes = new UserMinutes();
  const uniform = seededUniform(3);
  for (let atMs = fromMs; atMs < toMs; atMs += 1_000) minutes.add(rowOf(atMs, make(atMs, uniform())));
  return minutes;
}

const found = (
  minutes: UserMinutes,
  nowMs: number,
  about: typeof degradation | null = degradation,
): Record<string, SignalFinding['state']> =>
  Object.fromEntries(userFindings(minutes, nowMs - 20 * minute, nowMs, about).map(({ name, state }) => [name, state]));

describe('the rate of requests', () => {
  it('that trebled before the degradation began has changed, since when it did', () => {
    const minutes = users(onsetMs + minute, (atMs, noise) => ({
      requests: Math.round((atMs < onsetMs - 6 * minute ? 20 : 60) * (0.9 + 0.2 * noise)),
    }));
    const [rate] = userFindings(minutes, onsetMs, onsetMs + minute, degradation);
    expect(rate).toMatchObject({ name: 'users:rate', state: 'changed' });
    expect(Math.abs((rate?.onsetMs ?? 0) - (onsetMs - 6 * minute))).toBeLessThanOrEqual(minute);
    expect(rate?.words).toMatch(/\(limit \d+, \d+ before\), since about 13:2\d:00 UTC, before the degradation/);
  });

  it('that trebled in the minute in which the degradation began has changed, by what was answered well since', () => {
    const minutes = users(onsetMs + minute, (atMs) => ({
      requests: atMs < onsetMs ? 20 : 60,
      timeouts: atMs < onsetMs ? 0 : 2,
    }));
    const [rate] = userFindings(minutes, onsetMs, onsetMs + minute, degradation);
    expect(rate).toMatchObject({ name: 'users:rate', state: 'changed' });
    expect(rate?.words).toContain('with the degradation');
  });

  it('that grew because the failure made clients try again has not: their repeats are not answered well', () => {
    // Half of the answers fail since the onset, and each failure is tried three times more.
    const retried = users(onsetMs + 10 * minute, (atMs) => (atMs < onsetMs ? {} : { requests: 80, failures: 60 }));
    expect(found(retried, onsetMs + 10 * minute)['users:rate']).toBe('same');
  });

  it('that grew by repeats of failures has not, also where the onset is estimated much too late', () => {
    const retried = users(onsetMs + 10 * minute, (atMs) => (atMs < onsetMs ? {} : { requests: 80, failures: 60 }));
    const late = { lowMs: onsetMs + 9 * minute, highMs: onsetMs + 10 * minute };
    expect(found(retried, onsetMs + 10 * minute, late)['users:rate']).toBe('same');
    // The same number of requests, answered well, is another load.
    const more = users(onsetMs + 10 * minute, (atMs) => (atMs < onsetMs ? {} : { requests: 80 }));
    expect(found(more, onsetMs + 10 * minute, late)['users:rate']).toBe('changed');
  });

  it('that grew because clients gave up waiting and asked again has not', () => {
    const gaveUp = users(onsetMs + 10 * minute, (atMs) => (atMs < onsetMs ? {} : { requests: 80, clientErrors: 60 }));
    const late = { lowMs: onsetMs + 9 * minute, highMs: onsetMs + 10 * minute };
    expect(found(gaveUp, onsetMs + 10 * minute, late)['users:rate']).toBe('same');
  });

  it('that is the usual one of this time of the day has not changed', () => {
    const day = 24 * 60 * minute;
    const rises = (onsetMs - 6 * minute) % day;
    const noon = (atMs: number): number => (atMs % day >= rises && atMs % day < rises + 240 * minute ? 60 : 20);
    const minutes = new UserMinutes();
    for (let atMs = onsetMs - day - 60 * minute; atMs < onsetMs; atMs += 10_000)
      minutes.add(rowOf(atMs, { requests: 10 * noon(atMs) }));
    const [rate] = userFindings(minutes, onsetMs, onsetMs, degradation);
    expect(rate?.state).toBe('same');
    expect(rate?.words).toContain('at this time of yesterday');
  });

  it('that fell has not changed for the worse', () => {
    const minutes = users(onsetMs, (atMs) => ({ requests: atMs < onsetMs - 6 * minute ? 20 : 5 }));
    expect(found(minutes, onsetMs)['users:rate']).toBe('same');
  });

  it('is unmeasured with a short history', () => {
    expect(
      found(
        users(onsetMs, () => ({}), onsetMs - 15 * minute),
        onsetMs,
      ),
    ).toEqual({ users: 'unmeasured' });
    expect(found(new UserMinutes(), onsetMs)).toEqual({ users: 'unmeasured' });
  });
});

describe('the mix of users', () => {
  const labelled = (spam: number): Partial<UserRow> => ({ labels: { spam: { n: spam }, ham: { n: 4 - spam } } });

  it('by true class has changed where another class became frequent, and not by what a bad model predicts', () => {
    const minutes = users(onsetMs + 5 * minute, (atMs) => labelled(atMs < onsetMs ? 1 : 3));
    expect(found(minutes, onsetMs + 5 * minute)['users:mix']).toBe('changed');
    const predicting = users(onsetMs + 5 * minute, (atMs) => ({
      ...labelled(1),
      ...({ predicted: { spam: atMs < onsetMs ? 1 : 4 } } as object),
    }));
    expect(found(predicting, onsetMs + 5 * minute)['users:mix']).toBe('same');
  });

  it('is not said anything of without labels', () => {
    expect(
      found(
        users(onsetMs, () => ({})),
        onsetMs,
      ),
    ).toEqual({ 'users:rate': 'same' });
  });
});

describe('the length of sessions', () => {
  it('has changed where sessions became twice as long before the degradation, not where they did since', () => {
    const sessions = (begun: number): Partial<UserRow> => ({ sessions: { requests: 20, begun } });
    const before = users(onsetMs, (atMs) => sessions(atMs < onsetMs - 10 * minute ? 4 : 2));
    const [, length] = userFindings(before, onsetMs, onsetMs, degradation);
    expect(length).toMatchObject({ name: 'users:session-length', state: 'changed', observed: 10, before: 5 });
    const since = users(onsetMs + 10 * minute, (atMs) => sessions(atMs < onsetMs ? 4 : 1));
    expect(found(since, onsetMs + 10 * minute)['users:session-length']).toBe('same');
  });
});

describe('what is kept of the users', () => {
  it('is bounded by time and by classes', () => {
    const minutes = new UserMinutes();
    const day = 24 * 60 * minute;
    for (let at = 0; at < 3 * 24 * 60; at += 1)
      minutes.add(rowOf(startMs + at * minute, { labels: { [`class-${at}`]: { n: 1 } } }));
    expect(minutes.between(0, startMs + 4 * day).length).toBeLessThanOrEqual(26 * 60 + 1);
    for (let at = 0; at < 200; at += 1)
      minutes.add(rowOf(startMs + 3 * day, { labels: { [`class-${at}`]: { n: 1 } } }));
    const [newest] = minutes.between(startMs + 3 * day, startMs + 4 * day);
    expect(newest?.classes.size).toBe(50);
  });
});
