import { randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { AnswerRecord } from '../../../gateway/answer-record';
import { RouterLog } from '../../../gateway/router-log';
import { Storage } from '../../../gateway/storage';
import { TelemetryStore } from '../../../gateway/telemetry-store';
import { until } from '../../support/poll';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';

const about = '7|primary|1.2|mail@1.2#a|sha256:a';
const line = (n: number, at: number): string =>
  `${JSON.stringify({ n, pid: 4_000_001, at, service: 'mail', id: randomUUID(), about, status: 200, ms: 3 })}\n`;

describe('the log of HAProxy', () => {
  let storage: Storage;
  let telemetry: TelemetryStore;
  let log: RouterLog;
  let haproxy: Socket;
  const added: string[] = [];

  beforeEach(async () => {
    const directory = temporaryDirectory('router-log');
    storage = new Storage(directory);
    telemetry = new TelemetryStore(storage, 'mail');
    const answers = {
      add: (id: string) => void added.push(id),
      drained: () => Promise.resolve(),
    } as unknown as AnswerRecord;
    const socket = join(directory, 'log.sock');
    log = await RouterLog.start(socket, join(directory, 'log.json'), new Map([['mail', { answers, telemetry }]]));
    haproxy = connect(socket);
    await new Promise((resolve) => haproxy.once('connect', resolve));
    added.length = 0;
  });
  afterEach(async () => {
    haproxy.destroy();
    await log.stop();
    storage.close();
    removeTemporary();
  });

  it('whose gap cannot be written is no fault of the process: the gap is written when the disk takes it again', async () => {
    const now = Date.now();
    const refuses = jest.spyOn(storage, 'transaction').mockImplementation(() => {
      throw new Error('SQLITE_FULL: database or disk is full');
    });
    haproxy.write(line(0, now - 50) + line(4, now - 10));
    await until('both lines are taken', () => added.length === 2 && telemetry.writeErrors > 0);
    expect(telemetry.gaps(0, now)).toEqual([]);
    refuses.mockRestore();

    haproxy.write(line(6, now));
    await until('the gaps are stored', () => telemetry.gaps(0, now).length === 2);

    expect(telemetry.gaps(0, now)).toMatchObject([
      { fromMs: now - 50, toMs: now - 10, why: expect.stringMatching(/^3 line\(s\)/) },
      { fromMs: now - 10, toMs: now, why: expect.stringMatching(/^1 line\(s\)/) },
    ]);
  });

  it('is taken in whatever pieces it comes, and what is no line of ours is missed by its number', async () => {
    const now = Date.now();
    const text = `${line(0, now - 9)}{"n": 1, broken\n${line(2, now)}`;
    for (let at = 0; at < text.length; at += 40) haproxy.write(text.slice(at, at + 40));
    await until('the two lines', () => added.length === 2);
    await until('the gap', () => telemetry.gaps(0, now).length === 1);
    expect(telemetry.gaps(0, now)[0]?.why).toMatch(/^1 line\(s\)/);
  });
});
