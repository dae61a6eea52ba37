import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import Database from 'libsql';
import { Samples } from '../../../gateway/samples';
import { Storage } from '../../../gateway/storage';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';

afterAll(removeTemporary);

const request = { url: '/v1/chat', headers: { 'content-type': 'application/json' } } as unknown as IncomingMessage;
const config = { share: 1, maxCount: 10, maxAgeMs: 60_000, redactFields: ['name'] };
const nothing = { predicted: null, score: null, finish: null };
const about = { requestId: 'r', session: undefined, version: '1', failed: false, ...nothing };

test('a sample keeps the text of the answer; fields of one that is JSON are redacted like those of the input, or it is not kept', () => {
  const storage = new Storage(temporaryDirectory('samples'));
  const samples = new Samples(storage, 'chat', config);
  const body = Buffer.from('{"name":"Ada","ask":"hi"}');
  for (const answer of ['Hello Ada', '{"name":"Ada","n":1}', '{"n":', '{"name":"Ad', null]) {
    samples.keep(request, body, { ...about, answer });
  }
  expect(samples.newest('1', false, 10).map(({ answer }) => answer)).toEqual([
    null,
    null,
    '{"n":',
    '{"name":"[redacted]","n":1}',
    'Hello Ada',
  ]);
  storage.close();
});

test('inputs of requests that failed are kept for the quality of the inputs only, and by the time of the request', () => {
  const storage = new Storage(temporaryDirectory('samples'));
  const samples = new Samples(storage, 'chat', config);
  const began = Date.now();
  samples.keep(request, Buffer.from('{"name":"Ada","n":1}'), { ...about, answer: 'yes' });
  samples.keep(request, Buffer.from('{"n":"x"}'), { ...about, answer: null, failed: true });
  expect(samples.newest(null, false, 10)).toHaveLength(1);
  expect(samples.inputs(began, began + 60_000, 10)).toMatchObject([
    { body: '{"name":"[redacted]","n":1}', failed: false, path: '/v1/chat' },
    { body: '{"n":"x"}', failed: true },
  ]);
  expect(samples.inputs(began, began + 60_000, 1)).toMatchObject([{ failed: true }]);
  expect(samples.inputs(began - 60_000, began, 10)).toEqual([]);
  storage.close();
});

test('a database of an earlier gateway gets the column that it lacks', () => {
  const directory = temporaryDirectory('samples');
  const old = new Database(join(directory, 'gateway.db'));
  old.exec(
    'CREATE TABLE samples (id INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, request_id TEXT NOT NULL, at_ms REAL ' +
      'NOT NULL, version TEXT NOT NULL, path TEXT NOT NULL, content_type TEXT NOT NULL, body TEXT NOT NULL, predicted TEXT, ' +
      'score REAL, label TEXT, session_sha TEXT)',
  );
  old.close();
  const storage = new Storage(directory);
  const samples = new Samples(storage, 'chat', config);
  samples.keep(request, Buffer.from('{}'), { ...about, answer: 'yes' });
  expect(samples.newest(null, false, 1)).toMatchObject([{ answer: 'yes' }]);
  storage.close();
});
