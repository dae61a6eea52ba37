import type { ServingRuntime, StartRequest } from '../../../activities/ports';
import { clauses, type Deviations } from './clauses';

export interface ServingRuntimeSubject {
  readonly runtime: ServingRuntime;
  /** Ends the copy from outside, as a crash does. */
  kill(instance: string): Promise<void>;
  close(): Promise<void>;
  /** What the copy asked for as `instance` is called; default: just so. */
  nameOf?(instance: string): string;
  /** Names that are there before any start; default: none. */
  readonly standing?: readonly string[];
}

/** Clauses that a runtime may keep otherwise than the others, and then must say how. */
type ServingRuntimeClause = 'other digest' | 'one service' | 'stop' | 'log';

const DIGEST = `sha256:${'a'.repeat(64)}`;

export function startRequest(change: Partial<StartRequest> = {}): StartRequest {
  return { service: 'mail', version: '1.0', instance: 'mail@1.0#a', artifact: '/tmp', digest: DIGEST, ...change };
}

/** What every serving runtime does. `instead` replaces a clause that it refuses by design. */
export function servingRuntimeContract(
  name: string,
  make: () => Promise<ServingRuntimeSubject>,
  instead: Deviations<ServingRuntimeClause, ServingRuntimeSubject> = {},
): void {
  describe(`${name} as a serving runtime`, () => {
    let subject: ServingRuntimeSubject;
    const never = new AbortController().signal;
    const clause = clauses(instead, () => subject);
    const named = (instance: string): string => subject.nameOf?.(instance) ?? instance;
    const found = async (): Promise<string[]> =>
      (await subject.runtime.inspect('mail')).instances.map(({ instance }) => instance).sort();
    const standing = (): readonly string[] => subject.standing ?? [];
    beforeEach(async () => {
      subject = await make();
    });
    afterEach(() => subject.close());

    it('starts a copy and says where it answers and which digest it reports', async () => {
      const state = await subject.runtime.start(startRequest(), never);
      expect(state).toMatchObject({
        instance: named('mail@1.0#a'),
        version: '1.0',
        state: 'running',
        digest: DIGEST,
        exit: null,
      });
      expect(state.address).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    });

    it('starts an instance once, however often and however concurrently it is asked to', async () => {
      const states = await Promise.all(Array.from({ length: 4 }, () => subject.runtime.start(startRequest(), never)));
      expect(new Set(states.map((state) => state.address)).size).toBe(1);
      expect(await found()).toEqual([...new Set([...standing(), named('mail@1.0#a')])].sort());
    });

    clause('other digest', 'refuses to pass a running copy off as one with another digest', async () => {
      await subject.runtime.start(startRequest(), never);
      const other = startRequest({ digest: `sha256:${'b'.repeat(64)}` });
      await expect(subject.runtime.start(other, never)).rejects.toThrow(/runs with/);
    });

    clause('one service', 'finds the copies of one service only, the ended ones with how they ended', async () => {
      await subject.runtime.start(startRequest(), never);
      await subject.runtime.start(startRequest({ version: '1.1', instance: 'mail@1.1#b' }), never);
      await subject.runtime.start(startRequest({ service: 'other', instance: 'other@1.0#c' }), never);
      await subject.kill('mail@1.1#b');
      const { instances, foreign } = await subject.runtime.inspect('mail');
      const how = instances.map(({ instance, state, exit }) => [instance, state, exit === null]);
      expect(how.sort()).toEqual([
        ['mail@1.0#a', 'running', true],
        ['mail@1.1#b', 'exited', false],
      ]);
      expect(foreign).toEqual([]);
    });

    clause('stop', 'stops a copy once and answers `absent` afterwards and for what was never started', async () => {
      await subject.runtime.start(startRequest(), never);
      expect((await subject.runtime.stop('mail@1.0#a', { graceMs: 5_000 })).outcome).toBe('stopped');
      expect((await subject.runtime.stop('mail@1.0#a', { graceMs: 5_000 })).outcome).toBe('absent');
      expect((await subject.runtime.stop('mail@1.0#zzz', { graceMs: 5_000 })).outcome).toBe('absent');
    });

    clause('log', 'keeps the log of a copy after its end, within the limit asked for', async () => {
      await subject.runtime.start(startRequest(), never);
      await subject.runtime.stop('mail@1.0#a', { graceMs: 5_000 });
      const log = await subject.runtime.logs('mail@1.0#a', 10_000);
      expect(log.length).toBeGreaterThan(5);
      expect(await subject.runtime.logs('mail@1.0#a', 5)).toBe(log.slice(-5));
      expect(await subject.runtime.logs('mail@1.0#zzz', 5)).toBe('');
    });

    it('starts nothing for a caller who has given up already', async () => {
      await expect(subject.runtime.start(startRequest(), AbortSignal.abort(new Error('given up')))).rejects.toThrow(
        'given up',
      );
      expect(await found()).toEqual(standing());
    });
  });
}
