import { SessionIds } from '../../../gateway/session-ids';

const all = new SessionIds({ sessionHeader: 'X-Session-Id', sessionCookie: 'sid', sessionField: 'user' });
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

test('the header goes before the cookie; one that is empty or too long is none', () => {
  expect(all.ofHeaders({ 'x-session-id': 'alice', cookie: 'sid=bob' })).toBe('alice');
  for (const bad of ['', 'x'.repeat(65)]) expect(all.ofHeaders({ 'x-session-id': bad, cookie: 'sid=bob' })).toBe('bob');
  expect(all.ofHeaders({ 'x-session-id': 'x'.repeat(64) })).toHaveLength(64);
  expect(all.ofHeaders({})).toBeUndefined();
});

test('a cookie is found by its whole name, and not where it is there twice', () => {
  const cookie = (text: string): string | undefined => all.ofHeaders({ cookie: text });
  expect(cookie('a=1; sid=bob==; sid2=x; xsid=y')).toBe('bob==');
  expect(cookie('sid=bob;a=1')).toBe('bob');
  expect(cookie('SID=bob; xsid=y; sid')).toBeUndefined();
  expect(cookie('sid=bob; a=1; sid=eve')).toBeUndefined();
  expect(cookie(`sid=${'x'.repeat(65)}`)).toBeUndefined();
  expect(cookie('sid=')).toBeUndefined();
});

test('a field of the body is text or a whole number at the path that was given, of JSON alone', () => {
  expect(all.ofBody(json({ messages: [{ user: 'x' }], user: 'alice' }))).toBe('alice');
  expect(all.ofBody(json({ user: 7 }))).toBe('7');
  for (const user of ['', 'x'.repeat(65), 1.5, null, true, ['a'], { id: 'a' }]) {
    expect(all.ofBody(json({ user }))).toBeUndefined();
  }
  expect(all.ofBody(json({ messages: [{ user: 'x' }] }))).toBeUndefined();
  for (const text of ['', '{"user":"a"', '"user"', 'user=alice', '[{"user":"a"}]', 'null "user"']) {
    expect(all.ofBody(Buffer.from(text))).toBeUndefined();
  }
  const deep = new SessionIds({ sessionField: 'metadata.session_id' });
  expect(deep.ofBody(json({ metadata: { session_id: 's1' }, user: 'alice' }))).toBe('s1');
  expect(deep.ofBody(json({ session_id: 's1' }))).toBeUndefined();
});

test('nothing of a body is read where no field is given', () => {
  const none = new SessionIds({ sessionHeader: 'x-session-id' });
  expect(none.readsBodies).toBe(false);
  expect(none.ofBody(json({ user: 'alice' }))).toBeUndefined();
  expect(none.ofHeaders({ cookie: 'sid=bob' })).toBeUndefined();
});
