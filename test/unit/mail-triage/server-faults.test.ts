import type { BuildResult } from '../../../examples/mail-triage/build';
import { inferenceRequest } from '../../../examples/mail-triage/inference-protocol';
import { startServer } from '../../../examples/mail-triage/server';
import { BUILD_TIMEOUT_MS, built, prepared } from './example-files';
import { fault, infer, labelOf, metric, post, ServerProcesses } from './server-processes';

let result: BuildResult;
const processes = new ServerProcesses();

beforeAll(async () => {
  result = await built();
}, BUILD_TIMEOUT_MS);

beforeEach(() => processes.open());
afterEach(() => processes.close());

const written = (version: string): { directory: string; digest: string } => {
  const found = result.versions.find((one) => one.version === version);
  if (!found) throw new Error(`version ${version} was not built`);
  return found;
};

describe('faults', () => {
  it('are in effect when the control listener answers, and end the same way', async () => {
    const started = await processes.start(written('1.2').directory);
    const mail = 'Re: meeting\n\nSee you all at the meeting, I think the patch is fine.';
    const before = process.hrtime.bigint();
    const answer = await fault(started, { kind: 'errors500' });
    expect(BigInt(answer['monotonicNs'] as string)).toBeGreaterThan(before);
    expect((await infer(started, mail)).status).toBe(500);
    await fault(started, { kind: 'none' });
    expect((await infer(started, mail)).status).toBe(200);
    await fault(started, { kind: 'errors', rate: 0.3 });
    const statuses: number[] = [];
    for (let sent = 0; sent < 200; sent += 1) statuses.push((await infer(started, mail)).status);
    const failed = statuses.filter((status) => status === 500).length;
    expect(failed).toBeGreaterThan(30);
    expect(failed).toBeLessThan(90);
    await fault(started, { kind: 'hang' });
    await expect(
      fetch(`${started.base}/v2/models/mail-triage/infer`, {
        method: 'POST',
        body: JSON.stringify(inferenceRequest(mail)),
        signal: AbortSignal.timeout(300),
      }),
    ).rejects.toThrow('timeout');
    expect((await fetch(`${started.base}/v2/health/ready`)).status).toBe(200);
  });

  it('answer one class wrong, with confidence, and leave the others alone', async () => {
    const { test } = await prepared();
    const started = await processes.start(written('1.2').directory);
    const mails = test.slice(0, 150);
    const labels = async (): Promise<unknown[]> => {
      const found: unknown[] = [];
      for (const { text } of mails) found.push(await labelOf(await infer(started, text)));
      return found;
    };
    const right = await labels();
    await fault(started, { kind: 'wrong-class', class: 'spam' });
    const wrong = await labels();
    expect(right).toContain('spam');
    expect(wrong).toEqual(right.map((label) => (label === 'spam' ? 'bulk' : label)));
  });

  it('crash: the process is killed after the control listener answered', async () => {
    const started = await processes.start(written('1.2').directory);
    expect(await fault(started, { kind: 'crash' })).toMatchObject({ kind: 'crash' });
    expect(await started.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it.each<[unknown, RegExp]>([
    [{ kind: 'explode' }, /kind: found "explode"/],
    [{ kind: 'errors', rate: 2 }, /rate: found 2/],
    [{ kind: 'wrong-class', class: 'ham' }, /class: found "ham"/],
    [{ kind: 'slow', delay: 5 }, /unknown key "delay"/],
    ['nonsense', /not JSON/],
  ])('%j is refused and changes nothing', async (body, message) => {
    const started = await processes.start(written('1.0').directory);
    await fault(started, { kind: 'errors500' });
    const response = await post(`http://127.0.0.1:${started.report.controlPort}/fault`, body);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: string }).error).toMatch(message);
    expect((await infer(started, 'x')).status).toBe(500);
  });
});

describe('version 1.4', () => {
  it('holds more memory with every request, at the declared rate, and is killed at the limit', async () => {
    const mebibyte = 1024 * 1024;
    const started = await processes.start(
      written('1.4').directory,
      ...['--leak-bytes-per-mail', String(mebibyte), '--leak-limit-bytes', String(96 * mebibyte)],
      ...['--leak-bytes-per-second', String(1024 * mebibyte)],
    );
    expect(started.report.digest).toBe(written('1.4').digest);
    const resident = (): Promise<number> => metric(started.base, 'process_resident_memory_bytes');
    const send = async (count: number): Promise<void> => {
      for (let sent = 0; sent < count; sent += 1) expect((await infer(started, 'hello there')).status).toBe(200);
    };
    await send(20);
    const early = await resident();
    await send(60);
    expect((await resident()) - early).toBeGreaterThan(45 * mebibyte);
    await expect(send(40)).rejects.toThrow();
    expect(await started.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('leaks within its declared rate: no faster than the limit a second', async () => {
    let killed = 0;
    const running = await startServer({
      artifact: written('1.4').directory,
      port: 0,
      leak: { bytesPerMail: 1024, maxBytesPerSecond: 10 * 1024 },
      kill: () => (killed += 1),
    });
    const base = `http://127.0.0.1:${running.port}`;
    const startedMs = performance.now();
    for (let sent = 0; sent < 60; sent += 1) {
      expect((await post(`${base}/v2/models/mail-triage/infer`, inferenceRequest('x'))).status).toBe(200);
    }
    const seconds = Math.floor((performance.now() - startedMs) / 1000) + 1;
    const held = await metric(base, 'mail_triage_prepared_mail_cache_bytes');
    await running.stop();
    expect(held).toBeGreaterThanOrEqual(10 * 1024);
    expect(held).toBeLessThanOrEqual(10 * 1024 * seconds);
    expect(killed).toBe(0);
  });
});
