import { judgeMinimum } from '../../../cli/checks/minimum';

test('a minimum acceptable version that is not in the store is wrong, with the names that are', () => {
  expect(judgeMinimum('mail', '1.O', ['1.0', '1.1'])).toEqual({
    what: 'mail: minimumAcceptable',
    level: 'wrong',
    said: '1.O is not known, so nothing may be rolled back to; known: 1.0, 1.1',
    remedy: expect.stringMatching(/import that version/) as string,
  });
  expect(judgeMinimum('mail', '1.0', ['1.0', '1.1']).level).toBe('ok');
});
