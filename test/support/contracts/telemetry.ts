import type { Telemetry } from '../../../activities/ports';
import type { CountsRow, TelemetryRow } from '../../../gateway/protocol';

export interface TelemetrySubject {
  /** Knows the service `mail`, with samples off, and no traffic so far. */
  readonly telemetry: Telemetry;
  /** Answers one request on version 1.0 with label spam; resolves to its id. */
  request(): Promise<string>;
  close(): Promise<void>;
}

/** What every telemetry does. */
export function telemetryContract(name: string, make: () => Promise<TelemetrySubject>): void {
  describe(`${name} as telemetry`, () => {
    let subject: TelemetrySubject;
    beforeEach(async () => {
      subject = await make();
    });
    afterEach(() => subject.close());

    /** Follows until `enough`; the rows and the signs of life that came. */
    async function follow(
      cursor: number,
      enough: (rows: TelemetryRow[], idle: number) => boolean,
    ): Promise<TelemetryRow[]> {
      const rows: TelemetryRow[] = [];
      let idle = 0;
      const signal = AbortSignal.timeout(15_000);
      for await (const row of subject.telemetry.follow('mail', cursor, signal)) {
        if (row === null) idle++;
        else rows.push(row);
        if (enough(rows, idle)) return rows;
      }
      throw new Error(`gave up after ${rows.length} rows and ${idle} signs of life`);
    }
    const requestsIn = (rows: TelemetryRow[]): number =>
      rows.reduce((sum, row) => sum + (row.kind === 'counts' ? row.requests : 0), 0);

    it('follows the rows from a cursor in order, without gap or repetition, and goes on where it was left', async () => {
      for (let at = 0; at < 3; at++) await subject.request();
      const rows = await follow(0, (seen) => requestsIn(seen) === 3);
      const numbers = rows.map((row) => row.seq);
      expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] ?? 0) + at));
      await subject.request();
      const cursor = numbers.at(-1) ?? 0;
      const later = await follow(cursor, (seen) => requestsIn(seen) === 1);
      expect(later[0]?.seq).toBe(cursor + 1);
    });

    it('gives a sign of life when nothing comes', async () => {
      await expect(follow(1_000_000, (_, idle) => idle >= 1)).resolves.toEqual([]);
    });

    it('ends a follow without a fault when the caller aborts', async () => {
      const aborting = new AbortController();
      let seen = 0;
      for await (const row of subject.telemetry.follow('mail', 1_000_000, aborting.signal)) {
        expect(row).toBeNull();
        seen++;
        aborting.abort();
      }
      expect(seen).toBe(1);
    });

    it('gives the stored counts of a window by version and predicted class', async () => {
      await subject.request();
      await follow(0, (seen) => requestsIn(seen) === 1);
      const counts: CountsRow[] = await subject.telemetry.window('mail', Date.now() - 60_000, Date.now() + 60_000);
      expect(requestsIn(counts)).toBe(1);
      expect(counts.find((row) => row.requests === 1)).toMatchObject({
        version: '1.0',
        failures: 0,
        predicted: { spam: 1 },
      });
      expect(requestsIn(await subject.telemetry.window('mail', 0, 1_000))).toBe(0);
    });

    it('knows which version answered a request, and says that it does not know an id that never was', async () => {
      const id = await subject.request();
      await follow(0, (seen) => requestsIn(seen) === 1);
      expect(await subject.telemetry.answer(id)).toMatchObject({
        known: true,
        answer: { id, version: '1.0', class: 'spam' },
      });
      expect(await subject.telemetry.answer('never-was')).toMatchObject({ known: false });
      const { versions } = await subject.telemetry.answersAt('mail', Date.now());
      expect(versions).toMatchObject([{ version: '1.0', reason: 'primary', answers: 1 }]);
    });

    it('takes labels once, again as repeated, other ones as corrections, and names the unknown ids', async () => {
      const id = await subject.request();
      const item = { requestId: id, label: 'spam', observedAt: new Date().toISOString(), source: 'test' };
      expect(await subject.telemetry.feedback('mail', [item])).toMatchObject({ accepted: 1, repeated: 0, unknown: [] });
      expect(await subject.telemetry.feedback('mail', [item])).toMatchObject({ accepted: 0, repeated: 1 });
      const other = [
        { ...item, label: 'ham' },
        { ...item, requestId: 'never-was' },
      ];
      expect(await subject.telemetry.feedback('mail', other)).toMatchObject({ corrected: 1, unknown: ['never-was'] });
    });

    it('says that samples are off instead of giving none', async () => {
      expect(await subject.telemetry.samples('mail', { limit: 10 })).toEqual({ off: true, samples: [] });
    });

    it('rejects what is asked of a service that it does not know', async () => {
      await expect(subject.telemetry.window('nobody', 0, 1)).rejects.toThrow(/nobody/);
      const following = subject.telemetry.follow('nobody', 0, AbortSignal.timeout(5_000))[Symbol.asyncIterator]();
      await expect(following.next()).rejects.toThrow(/nobody/);
    });
  });
}
