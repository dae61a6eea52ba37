import { judgeSwap } from '../../../bench/swap/judge';
import type { UserRecord } from '../../../bench/traffic/records';

const times = { movedMs: 10_000, doneMs: 10_010, pinsUntilMs: 11_200, from: 'old', to: 'new' };

function record(part: Partial<UserRecord>): UserRecord {
  const sentMs = part.sentMs ?? 9_000;
  const answer = { status: 200, versions: ['old'], session: null, born: null, lost: null };
  return { kind: 'unpinned', sentMs, endedMs: sentMs + 5, ...answer, ...part };
}

function inSession(versions: string, sentMs: number, bornMs: number): UserRecord {
  const born = { sentMs: bornMs, endedMs: bornMs + 5 };
  return record({ kind: 'pinned', sentMs, versions: [versions], session: `s${bornMs}`, born });
}

test('the shift ends with the last unpinned request that was sent after the move and answered by the old version', () => {
  const records = [
    record({ sentMs: 9_999 }),
    record({ sentMs: 10_004 }),
    record({ sentMs: 10_009, versions: ['new'] }),
    record({ sentMs: 10_012, kind: 'pinned', session: 's' }),
  ];
  expect(judgeSwap(records, times).shiftMs).toBe(4);
  expect(judgeSwap(records.slice(0, 1), times).shiftMs).toBe(0);
});

test('a request without an answer and one with an error are failed, a stream that ends early is cut, and no more', () => {
  const records = [
    record({ lost: 'ECONNRESET', status: null, versions: [] }),
    record({ status: 502, versions: [] }),
    record({ kind: 'stream', lost: 'cut' }),
    record({ kind: 'stream', versions: ['old', 'new'] }),
  ];
  expect(judgeSwap(records, times)).toMatchObject({ failed: 2, streamsCut: 1, mixed: 1 });
});

test('a session is wrong on the new version before its pin ends, and on the old one after it', () => {
  const wrong = (...records: UserRecord[]): number | null => judgeSwap(records, times).pinsWrong;
  // Its lifetime of 3 s lasts longer than the pin of the record.
  expect(wrong(inSession('old', 11_100, 9_500), inSession('new', 11_300, 9_500))).toBe(0);
  expect(wrong(inSession('new', 11_100, 9_500))).toBe(1);
  expect(wrong(inSession('old', 11_300, 9_500))).toBe(1);
  // Its lifetime ends first.
  expect(wrong(inSession('new', 10_800, 7_700), inSession('old', 10_600, 7_700))).toBe(0);
  expect(wrong(inSession('old', 10_800, 7_700))).toBe(1);
  // Born after the way said that it was done.
  expect(wrong(inSession('old', 10_020, 10_020))).toBe(1);
  expect(judgeSwap([inSession('old', 11_300, 9_500)], { ...times, pinsUntilMs: null }).pinsWrong).toBeNull();
});

test('a session that goes back to the old version is mixed', () => {
  const records = [inSession('old', 9_600, 9_500), inSession('new', 11_300, 9_500), inSession('old', 11_400, 9_500)];
  expect(judgeSwap(records, times)).toMatchObject({ mixed: 1, pinsWrong: 1 });
});
