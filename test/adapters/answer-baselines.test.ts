import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BaselineUnreadable, directoryBaselines } from '../../adapters/baselines/directory-baselines';
import { answerBaselinesContract } from '../support/contracts/answer-baselines';
import { FakeAnswerBaselines } from '../support/fakes/answer-baselines';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

afterAll(removeTemporary);

answerBaselinesContract('the fake', () => new FakeAnswerBaselines());
answerBaselinesContract('a directory', () => directoryBaselines(temporaryDirectory('baselines')));

test('files are for this user alone, and nothing half-written is left', async () => {
  const directory = temporaryDirectory('baselines');
  await directoryBaselines(directory).freeze('chat', '1', 'window', { by: 'x', fromMs: 0, toMs: 1, answers: [] });
  expect(readdirSync(join(directory, 'chat'))).toEqual(['1.window.json']);
  expect(statSync(join(directory, 'chat', '1.window.json')).mode & 0o777).toBe(0o600);
});

test.each([
  ['no JSON', '{"format":'],
  ['another format', '{"format":2}'],
  ['vectors that are none', '{"format":1,"by":"x","fromMs":0,"toMs":1,"answers":[{"answer":[1]}]}'],
])('a file with %s is refused by its name', async (_, text) => {
  const directory = temporaryDirectory('baselines');
  mkdirSync(join(directory, 'chat'));
  writeFileSync(join(directory, 'chat', '1.window.json'), text);
  const reading = directoryBaselines(directory).read('chat', '1', 'window');
  await expect(reading).rejects.toThrow(BaselineUnreadable);
  await expect(reading).rejects.toThrow(/1\.window\.json/);
});
