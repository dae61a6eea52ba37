import { mayBeKept } from '../../../gateway/cache/request-key';

const json = { 'content-type': 'application/json' };

test.each(['*', 'User-Agent', 'accept, user-agent', 'X-Forwarded-For'])(
  'an answer that depends on what the key does not hold is given to nobody else (Vary: %s)',
  (vary) => expect(mayBeKept(200, { ...json, vary })).toBe(false),
);

test.each(['Accept', 'authorization, accept-encoding', ''])(
  'an answer that depends on what is in the key is kept (Vary: %s)',
  (vary) => expect(mayBeKept(200, { ...json, vary })).toBe(true),
);

test('an answer that may not be given to others is not kept', () => {
  expect(mayBeKept(200, json)).toBe(true);
  expect(mayBeKept(500, json)).toBe(false);
  expect(mayBeKept(200, { ...json, 'set-cookie': 'a=b' })).toBe(false);
  expect(mayBeKept(200, { ...json, 'cache-control': 'private' })).toBe(false);
  expect(mayBeKept(200, { 'content-type': 'text/plain' })).toBe(false);
});
