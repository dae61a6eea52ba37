import { spawn, type ChildProcess } from 'node:child_process';
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BuildResult } from '../../../examples/mail-triage/build';
import { inferenceRequest } from '../../../examples/mail-triage/inference-protocol';
import { startServer } from '../../../examples/mail-triage/server';
import { mailStream } from '../../../examples/mail-triage/stream';
import { BUILD_TIMEOUT_MS, built, compiledServer, prepared } from './example-files';

interface Report {
  port: number;
  pid: number;
  digest: string;
  controlPort: number;
}

interface Started {
  child: ChildProcess;
  report: Report;
  base: string;
  exited: Promise<{ code: number | null; signal: string | null }>;
  errors: () => string;
}

const DEADLINE_MS = 15_000;

let result: BuildResult;
let serverJs: string;
let scratch: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  result = await built();
  serverJs = compiledServer();
}, BUILD_TIMEOUT_MS);

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'mail-triage-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(scratch, { recursive: true, force: true });
});

const written = (version: string): { directory: string; digest: string } => {
  const found = result.versions.find((one) => one.version === version);
  if (!found) throw new Error(`version ${version} was not built`);
  return found;
};

async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function launch(directory: string, ...more: string[]): Omit<Started, 'report' | 'base'> {
  const child = spawn(
    process.execPath,
    [serverJs, '--artifact', directory, '--port', '0', '--report', join(scratch, 'report.json'), '--control', ...more],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  children.push(child);
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  );
  return { child, exited, errors: () => errors };
}

async function start(directory: string, ...more: string[]): Promise<Started> {
  const launched = launch(directory, ...more);
  const report = await eventually('the server’s report', async () => {
    if (launched.child.exitCode !== null) throw new Error(`the server ended: ${launched.errors()}`);
    const content = await readFile(join(scratch, 'report.json'), 'utf8').catch(() => undefined);
    return content === undefined ? undefined : (JSON.parse(content) as Report);
  });
  return { ...launched, report, base: `http://127.0.0.1:${report.port}` };
}

const post = (url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers });

const infer = (started: Started, text: string, id = 'r1'): Promise<Response> =>
  post(`${started.base}/v2/models/mail-triage/infer`, inferenceRequest(text, id), { 'x-request-id': id });

interface Answer {
  id?: string;
  model_version: string;
  parameters: { digest: string };
  outputs: { name: string; shape: number[]; datatype: string; data: unknown[] }[];
}

const labelOf = async (response: Response): Promise<unknown> =>
  ((await response.json()) as Answer).outputs.find(({ name }) => name === 'label')?.data[0];

const fault = async (started: Started, body: unknown): Promise<Record<string, unknown>> => {
  const response = await post(`http://127.0.0.1:${started.report.controlPort}/fault`, body);
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
};

describe('the inference server', () => {
  it('answers its golden probes with label, scores, version and the digest of the manifest', async () => {
    const { directory, digest } = written('1.2');
    const started = await start(directory, '--answers-log', join(scratch, 'answers.log'));
    expect(started.report).toMatchObject({ pid: started.child.pid, digest });
    const { probes } = JSON.parse(await readFile(join(directory, 'probes.json'), 'utf8')) as {
      probes: { id: string; request: object; expect: { value: string } }[];
    };
    for (const probe of probes) {
      const response = await post(`${started.base}/v2/models/mail-triage/versions/1.2/infer`, probe.request, {
        'x-request-id': probe.id,
      });
      const answer = (await response.json()) as Answer;
      expect(answer).toMatchObject({ model_name: 'mail-triage', model_version: '1.2', parameters: { digest } });
      const [label, score, scores] = answer.outputs;
      expect(label).toEqual({ name: 'label', shape: [1], datatype: 'BYTES', data: [probe.expect.value] });
      expect(scores?.data).toHaveLength(3);
      expect((scores?.data as number[]).reduce((sum, one) => sum + one, 0)).toBeCloseTo(1, 9);
      expect(score?.data[0]).toBe(Math.max(...(scores?.data as number[])));
    }
    const log = (await readFile(join(scratch, 'answers.log'), 'utf8')).trim().split('\n');
    expect(log.map((line) => JSON.parse(line) as unknown)).toEqual(
      probes.map(({ id }) => ({ requestId: id, version: '1.2', digest, status: 200 })),
    );
  });

  it('speaks the protocol’s health, metadata and metrics', async () => {
    const { directory, digest } = written('1.0');
    const started = await start(directory);
    const get = async (path: string): Promise<[number, unknown]> => {
      const response = await fetch(`${started.base}${path}`);
      return [response.status, await response.json()];
    };
    expect(await get('/v2/health/live')).toEqual([200, { live: true }]);
    expect(await get('/v2/health/ready')).toEqual([200, { ready: true }]);
    expect(await get('/v2/models/mail-triage/ready')).toEqual([200, { name: 'mail-triage', ready: true }]);
    expect(await get('/v2')).toMatchObject([200, { name: 'mail-triage-server' }]);
    for (const path of ['/v2/models/mail-triage', '/v2/models/mail-triage/versions/1.0']) {
      expect(await get(path)).toMatchObject([200, { versions: ['1.0'], parameters: { digest } }]);
    }
    expect((await get('/v2/models/other'))[0]).toBe(404);
    expect((await get('/v2/models/mail-triage/versions/9.9'))[0]).toBe(404);
    expect((await get('/v2/models/mail-triage/infer'))[0]).toBe(405);
    const metrics = await (await fetch(`${started.base}/metrics`)).text();
    expect(metrics).toMatch(/^process_resident_memory_bytes [1-9]\d+$/m);
    expect(metrics).toMatch(/^mail_triage_requests_total\{status="200"\} [1-9]\d*$/m);
  });

  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /^body: not JSON/],
    ['no inputs', {}, /^inputs: found nothing, expected a list of one input/],
    ['two inputs', { inputs: [{}, {}] }, /^inputs: found/],
    [
      'another name',
      { inputs: [{ ...inferenceRequest('x').inputs[0], name: 'mail' }] },
      /inputs\[0\]\.name: found "mail"/,
    ],
    ['another type', { inputs: [{ ...inferenceRequest('x').inputs[0], datatype: 'FP32' }] }, /datatype: found "FP32"/],
    [
      'a batch',
      { inputs: [{ ...inferenceRequest('x').inputs[0], shape: [2], data: ['a', 'b'] }] },
      /shape: found \[2\]/,
    ],
    [
      'a number',
      { inputs: [{ ...inferenceRequest('x').inputs[0], data: [1] }] },
      /data: found \[1\], expected a list of one/,
    ],
    ['an unknown key', { ...inferenceRequest('x'), input: 1 }, /unknown key "input"/],
    ['an id that is no text', { ...inferenceRequest('x'), id: 5 }, /^id: found 5, expected a string/],
  ])('refuses %s with 400 and names the place', async (_what, body, message) => {
    const running = await startServer({ artifact: written('1.0').directory, port: 0 });
    const response = await post(`http://127.0.0.1:${running.port}/v2/models/mail-triage/infer`, body);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: string }).error).toMatch(message);
    expect(await running.stop()).toBe(0);
  });

  it('reports another digest once the tokenizer file is another, though the manifest still claims the old one', async () => {
    const { directory, digest } = written('1.2');
    const swapped = join(scratch, 'swapped');
    await cp(directory, swapped, { recursive: true });
    await cp(join(written('1.3').directory, 'tokenizer.json'), join(swapped, 'tokenizer.json'));
    const running = await startServer({ artifact: swapped, port: 0 });
    const metadata = (await (await fetch(`http://127.0.0.1:${running.port}/v2/models/mail-triage`)).json()) as Answer;
    await running.stop();
    expect(metadata.parameters.digest).toBe(running.digest);
    expect(running.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(running.digest).not.toBe(digest);
  });

  it('is not ready before the model is loaded', async () => {
    const report = join(scratch, 'report.json');
    const probe = await startServer({ artifact: written('1.0').directory, port: 0 });
    await probe.stop();
    const starting = startServer({ artifact: written('1.0').directory, port: probe.port, report, loadDelayMs: 500 });
    const early = await eventually('a first answer', () =>
      fetch(`http://127.0.0.1:${probe.port}/v2/health/ready`).catch(() => undefined),
    );
    expect(early.status).toBe(503);
    expect(
      (await post(`http://127.0.0.1:${probe.port}/v2/models/mail-triage/infer`, inferenceRequest('x'))).status,
    ).toBe(503);
    await expect(readFile(report)).rejects.toThrow('ENOENT');
    const running = await starting;
    expect((await fetch(`http://127.0.0.1:${probe.port}/v2/health/ready`)).status).toBe(200);
    expect(JSON.parse(await readFile(report, 'utf8'))).toMatchObject({ digest: running.digest });
    await running.stop();
  });

  it.each<[string, (directory: string) => Promise<void>, RegExp]>([
    [
      'truncated weights',
      async (directory) => {
        const path = join(directory, 'weights.safetensors');
        await writeFile(path, (await readFile(path)).subarray(0, 4096));
      },
      /weights\.safetensors: .*lies outside/,
    ],
    [
      'trailing bytes in the adapter',
      (directory) => appendFile(join(directory, 'adapter.safetensors'), 'x'),
      /adapter\.safetensors: 1 bytes after the last tensor/,
    ],
    ['a missing file', (directory) => rm(join(directory, 'profile.json')), /profile\.json/],
    [
      'a manifest that points outside',
      async (directory) => {
        const path = join(directory, 'manifest.json');
        await writeFile(path, (await readFile(path, 'utf8')).replace('"profile.json"', '"../profile.json"'));
      },
      /manifest\.json: files\[\d\]\.path: found "\.\.\/profile\.json", expected a path inside/,
    ],
  ])('does not start with %s and says why', async (_what, damage, message) => {
    const directory = join(scratch, 'damaged');
    await cp(written('1.1').directory, directory, { recursive: true });
    await damage(directory);
    const { exited, errors } = launch(directory);
    expect(await exited).toEqual({ code: 1, signal: null });
    expect(errors()).toMatch(message);
    await expect(readFile(join(scratch, 'report.json'))).rejects.toThrow('ENOENT');
  });

  it('spends less than 3 ms in the model for a mail of the stream', async () => {
    const { test } = await prepared();
    const started = await start(written('1.2').directory);
    const stream = mailStream(test, 5);
    for (let sent = 0; sent < 300; sent += 1) await (await infer(started, stream.next().value.text)).arrayBuffer();
    const metrics = await (await fetch(`${started.base}/metrics`)).text();
    const value = (name: string): number => Number(new RegExp(`^${name} (.+)$`, 'm').exec(metrics)?.[1]);
    expect(value('mail_triage_inference_seconds_count')).toBe(300);
    expect(value('mail_triage_inference_seconds_sum') / 300).toBeLessThan(0.003);
  });

  it('finishes what is in flight on SIGTERM, closes idle connections and exits 0', async () => {
    const started = await start(written('1.0').directory);
    await infer(started, 'warm the connection');
    await fault(started, { kind: 'slow', delayMs: 400 });
    const slow = infer(started, 'late');
    await eventually('the request in flight', async () => {
      // The health answer is queued behind nothing; the slow request is in once the server has read it.
      return (await fetch(`${started.base}/v2/health/live`)).ok ? true : undefined;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    started.child.kill('SIGTERM');
    const response = await slow;
    expect(response.status).toBe(200);
    expect(response.headers.get('connection')).toBe('close');
    expect(await started.exited).toEqual({ code: 0, signal: null });
  });
});

describe('faults', () => {
  it('are in effect when the control listener answers, and end the same way', async () => {
    const started = await start(written('1.2').directory);
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
    const started = await start(written('1.2').directory);
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
    const started = await start(written('1.2').directory);
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
    const started = await start(written('1.0').directory);
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
    const started = await start(
      written('1.4').directory,
      ...['--leak-bytes-per-mail', String(mebibyte), '--leak-limit-bytes', String(96 * mebibyte)],
      ...['--leak-bytes-per-second', String(1024 * mebibyte)],
    );
    expect(started.report.digest).toBe(written('1.4').digest);
    const resident = async (): Promise<number> => {
      const metrics = await (await fetch(`${started.base}/metrics`)).text();
      return Number(/^process_resident_memory_bytes (\d+)$/m.exec(metrics)?.[1]);
    };
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
    const agentless = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const sent = httpRequest(
          { port: running.port, host: '127.0.0.1', path: '/v2/models/mail-triage/infer', method: 'POST' },
          (response) => response.resume().once('end', () => resolve(response.statusCode ?? 0)),
        );
        sent.once('error', reject);
        sent.end(JSON.stringify(inferenceRequest('x')));
      });
    const startedMs = performance.now();
    for (let sent = 0; sent < 60; sent += 1) expect(await agentless()).toBe(200);
    const seconds = Math.floor((performance.now() - startedMs) / 1000) + 1;
    const metrics = await (await fetch(`http://127.0.0.1:${running.port}/metrics`)).text();
    const held = Number(/^mail_triage_prepared_mail_cache_bytes (\d+)$/m.exec(metrics)?.[1]);
    await running.stop();
    expect(held).toBeGreaterThanOrEqual(10 * 1024);
    expect(held).toBeLessThanOrEqual(10 * 1024 * seconds);
    expect(killed).toBe(0);
  });
});
