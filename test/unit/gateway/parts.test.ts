import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AnswerReader, parsePath, valueAt } from '../../../gateway/answer-reader';
import { checkConfig, loadConfig } from '../../../gateway/config';
import { answerHeaders, requestHeaders } from '../../../gateway/headers';
import type { CountsRow, GatewayConfig } from '../../../gateway/protocol';
import { isSaneRequestId, timeOfId, uuidV7 } from '../../../gateway/request-id';
import { redacted } from '../../../gateway/samples';
import { Storage } from '../../../gateway/storage';
import { foldOld } from '../../../gateway/telemetry-fold';
import { counted, TelemetryRecorder } from '../../../gateway/telemetry-recorder';
import { TelemetryStore } from '../../../gateway/telemetry-store';
import { serviceConfig } from '../../support/gateway-process';

const temporary = (): string => mkdtempSync(join(tmpdir(), 'lastgood-gw-unit-'));

test('ids are UUIDv7: unique, with their time inside, and only sane foreign ones are taken', () => {
  const ids = Array.from({ length: 5_000 }, () => uuidV7(1_763_862_000_123));
  expect(new Set(ids).size).toBe(5_000);
  expect(ids.every((id) => timeOfId(id) === 1_763_862_000_123)).toBe(true);
  expect(timeOfId('order-1')).toBeNull();
  expect(timeOfId('c232ab00-9414-4ec9-ab5e-0e2b0d5b7c55')).toBeNull();
  expect(['a', 'A.b:c_d-1', 'x'.repeat(128)].every(isSaneRequestId)).toBe(true);
  expect(['', 'a b', 'ä', '"', 'a\n', 'x'.repeat(129)].some(isSaneRequestId)).toBe(false);
});

test('paths reach into answers, and what they cannot reach is undefined', () => {
  const answer = {
    outputs: [
      { name: 'score', data: [0.5] },
      { name: 'label', data: ['spam'] },
    ],
  };
  expect(valueAt(answer, parsePath('outputs[name=label].data[0]'))).toBe('spam');
  expect(valueAt(answer, parsePath('outputs[1].data[0]'))).toBe('spam');
  expect(valueAt(answer, parsePath('outputs[name=other].data[0]'))).toBeUndefined();
  expect(valueAt(answer, parsePath('constructor.name'))).toBeUndefined();
  expect(valueAt(null, parsePath('a'))).toBeUndefined();
  for (const bad of ['', 'a[', 'a..b', '[x=', 'a b']) expect(() => parsePath(bad)).toThrow(/answer path/);
  const reader = new AnswerReader({ classPath: 'label', scorePath: 'score', textPath: 'said' });
  const nothing = { predicted: null, score: null, text: null, finish: null };
  expect(reader.read(Buffer.from('{"label":3,"score":1,"said":"no"}'))).toEqual({
    predicted: '3',
    score: 1,
    text: 'no',
    finish: null,
  });
  expect(reader.read(Buffer.from('{"label":{},"score":"1","said":["no"]}'))).toEqual(nothing);
  expect(reader.read(Buffer.from('{"label"'))).toEqual(nothing);
  expect(reader.read(Buffer.from(JSON.stringify({ said: 'x'.repeat(9_000) }))).text).toHaveLength(8_192);
  expect(new AnswerReader({ textPath: 'said' })).toMatchObject({
    counted: false,
    readsText: true,
    expectsClass: false,
  });
});

test('headers of the hop, ours, and those that Connection names are not passed on', () => {
  const sent = {
    host: 'h',
    connection: 'close, x-private',
    'x-private': '1',
    te: 'trailers',
    'x-lastgood-probe': 't',
    'x-a': 'b',
    'x-request-id': 'old',
  };
  expect(requestHeaders(sent, 'id1')).toEqual(['x-a', 'b', 'x-request-id', 'id1']);
  const answered = { 'transfer-encoding': 'chunked', 'set-cookie': ['a=1', 'b=2'], 'x-lastgood-version': 'fake' };
  expect(answerHeaders(answered, 'id1', '1.2')).toEqual(
    ['x-request-id', 'id1', 'x-lastgood-version', '1.2', 'set-cookie', 'a=1', 'set-cookie', 'b=2'],
  ); // prettier-ignore
});

test('redaction works at any depth, and what cannot be redacted is not kept', () => {
  const fields = new Set(['email']);
  expect(redacted(Buffer.from('{"a":[{"email":{"x":1}}],"b":1}'), 'application/json', fields)).toBe(
    '{"a":[{"email":"[redacted]"}],"b":1}',
  );
  expect(redacted(Buffer.from('email=a'), 'text/plain', fields)).toBeNull();
  expect(redacted(Buffer.from('{"email'), 'application/json', fields)).toBeNull();
  expect(redacted(Buffer.from([0xff, 0xfe]), 'text/plain', new Set())).toBeNull();
});

test('a configuration is refused with file, path, what was found and what was expected', () => {
  const dir = temporary();
  const good: GatewayConfig = {
    dataDir: dir,
    control: { socket: join(dir, 's') },
    metrics: { host: '127.0.0.1', port: 0 },
    services: [serviceConfig({ name: 'mail' })],
  };
  expect(() => checkConfig(good, 'g.json')).not.toThrow();
  const open = { ...good, services: [serviceConfig({ name: 'mail', listen: { host: '0.0.0.0', port: 80 } })] };
  expect(() => checkConfig(open, 'g.json')).toThrow(
    /g\.json: services\[0\]\.listen\.host: found "0\.0\.0\.0", which is not loopback .*so listenTls .*is needed/,
  );
  const tls = { certFile: '/c', keyFile: '/k' };
  const withTls = (listenTls: NonNullable<GatewayConfig['services'][0]['listenTls']>): GatewayConfig => ({
    ...good,
    services: [serviceConfig({ name: 'mail', listen: { host: '0.0.0.0', port: 443 }, listenTls })],
  });
  expect(() => checkConfig(withTls(tls), 'g.json')).toThrow(/listenTls: .*expected clientCaFile .*anyClient/);
  expect(() => checkConfig(withTls({ ...tls, clientCaFile: '/ca' }), 'g.json')).not.toThrow();
  expect(() => checkConfig(withTls({ ...tls, anyClient: true }), 'g.json')).not.toThrow();
  expect(() => checkConfig({ ...good, services: [...good.services, ...good.services] }, 'g.json')).toThrow(
    /services\[1\]\.name: mail is there twice/,
  );
  expect(() => checkConfig({ ...good, blindWebhook: { url: 'http://x', afterMs: 10 } }, 'g.json')).toThrow(/afterMs/);
  const file = join(dir, 'bad.json');
  writeFileSync(file, JSON.stringify({ ...good, extra: 1 }));
  expect(() => loadConfig(file)).toThrow(/bad\.json: .*extra/);
  writeFileSync(file, '{');
  expect(() => loadConfig(file)).toThrow(/bad\.json/);
});

test('rows are numbered without gaps, a failed write changes no number, and minutes keep counts and quantiles', () => {
  const dir = temporary();
  const storage = new Storage(dir);
  const store = new TelemetryStore(storage, 'mail');
  const recorder = new TelemetryRecorder(store, () => undefined);
  const of = counted('1', 4, 'live');
  for (let row = 0; row < 3; row += 1) {
    for (let n = 1; n <= 100; n += 1) recorder.answered(of, n === 1 ? 500 : 200, n);
    recorder.predicted(of, 'spam', 0.5, true);
    recorder.close();
  }
  expect(() => {
    recorder.label(of, 'spam', 1, true, 4_000);
    recorder.close(() => {
      throw new Error('disk');
    });
  }).toThrow('disk');
  const rows = store.linesAfter(0, 100).map((line) => JSON.parse(line) as CountsRow);
  expect(rows.map((row) => row.seq)).toEqual([1, 2, 3, 4]);
  expect(rows[3]?.labels).toEqual({});
  recorder.label(of, 'spam', 1, true, 3_000);
  recorder.label(of, 'bulk', 1, false, 5_000);
  recorder.judged(of, 'spam', 0.96, 'spam', 1);
  recorder.judged(of, 'spam', 0.42, 'bulk', 1);
  recorder.close();
  const [labelled] = store.linesAfter(4, 10).map((line) => JSON.parse(line) as CountsRow);
  expect(labelled).toMatchObject({
    labels: { spam: { n: 1, correct: 1 }, bulk: { n: 1, correct: 0 } },
    labelDelayMs: 4_000,
    judged: { spam: { 4: [1, 0], 15: [1, 1] } },
    mistaken: { spam: { bulk: 1 } },
  });
  expect(rows[0]).toMatchObject({
    requests: 100,
    failures: 1,
    predicted: { spam: 1 },
    scoreCount: 1,
    scores: { spam: { 5: 1 } },
    version: '1',
    epoch: 4,
  });
  const later = Date.now() + 49 * 3_600_000;
  expect(foldOld(storage, 'mail', later)).toBe(false);
  const minutes = store.window(0, later) as CountsRow[];
  expect(minutes.reduce((sum, row) => sum + row.requests, 0)).toBe(300);
  expect(minutes.reduce((sum, row) => sum + row.failures, 0)).toBe(3);
  expect(minutes[0]?.latency?.p99Ms).toBeGreaterThan(95);
  expect(minutes[0]?.latency?.p50Ms).toBeCloseTo(50, -1);
  expect(minutes.map(({ scores, judged, mistaken }) => ({ scores, judged, mistaken }))).toEqual(
    minutes.length === 1
      ? [{ scores: { spam: { 5: 3 } }, judged: { spam: { 4: [1, 0], 15: [1, 1] } }, mistaken: { spam: { bulk: 1 } } }]
      : expect.any(Array),
  );
  expect(store.linesAfter(0, 100)).toEqual([]);
  // All rows are folded away, the numbers go on.
  expect(new TelemetryStore(storage, 'mail').lastSeq).toBe(5);
  storage.close();
});
