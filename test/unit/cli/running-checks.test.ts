import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { supervisor } from '../../../cli/checks/running';
import { holdDataDirectory, supervisorState } from '../../../workers/embedded/lock';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';

afterAll(removeTemporary);

test('a supervisor that was killed is found by the lock that it left, one that stopped in order leaves none', async () => {
  const directory = temporaryDirectory('lock');
  const lock = join(directory, 'up.lock');
  expect(await supervisorState(lock)).toBe('free');
  const held = await holdDataDirectory(directory, lock);
  expect(await supervisorState(lock)).toBe('held');
  await held.release();
  expect(await supervisorState(lock)).toBe('free');
  writeFileSync(lock, JSON.stringify({ pid: process.pid, startTicks: '1', bootId: 'an older boot', nonce: 'n' }));
  expect(await supervisorState(lock)).toBe('abandoned');
});

test('doctor says that nobody starts again what dies, and how to take it over', () => {
  expect(supervisor('abandoned', 'lastgood.yaml')).toEqual([
    expect.objectContaining({ level: 'wrong', remedy: expect.stringContaining('lastgood up --config lastgood.yaml') }),
  ]);
  expect(supervisor('held', 'lastgood.yaml')).toEqual([expect.objectContaining({ level: 'ok' })]);
  expect(supervisor('free', 'lastgood.yaml')).toEqual([]);
});
