import { appendFile, cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { askProbes } from '../../../activities/golden-probes';
import type { GoldenProbe } from '../../../activities/ports';
import { openInferenceEngine } from '../../../adapters/serving/open-inference';
import type { BuildResult } from '../../../examples/mail-triage/build';
import { againstProbesOf } from '../../../examples/mail-triage/demo/tokens';
import { inferenceRequest } from '../../../examples/mail-triage/inference-protocol';
import { startServer } from '../../../examples/mail-triage/server';
import { mailStream } from '../../../examples/mail-triage/stream';
import { BUILD_TIMEOUT_MS, built, prepared } from './example-files';
import { eventually, fault, infer, metric, post, ServerProcesses, type Answer } from './server-processes';

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

describe('the inference server', () => {
  it('answers its golden probes with label, scores, version and the digest of the manifest', async () => {
    const { directory, digest } = written('1.2');
    const started = await processes.start(directory, '--answers-log', join(processes.scratch, 'answers.log'));
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
    const log = (await readFile(join(processes.scratch, 'answers.log'), 'utf8')).trim().split('\n');
    expect(log.map((line) => JSON.parse(line) as unknown)).toEqual(
      probes.map(({ id }) => ({ requestId: id, version: '1.2', digest, status: 200 })),
    );
  });

  it('tells the token ids that the model read when they are asked for, and refuses an output that it does not have', async () => {
    const { base } = await processes.start(written('1.2').directory);
    const url = `${base}/v2/models/mail-triage/infer`;
    const request = inferenceRequest('Re: patch\n\nRe: Patch applied');
    const answer = (await (await post(url, { ...request, outputs: [{ name: 'tokens' }] })).json()) as Answer;
    expect(answer.outputs.map(({ name }) => name)).toEqual(['tokens']);
    const ids = answer.outputs[0]?.data as number[];
    // re, patch, re patch, re, patch re, patch, re patch, applied, patch applied.
    expect(ids).toHaveLength(9);
    expect([ids[3], ids[5], ids[6]]).toEqual([ids[0], ids[1], ids[2]]);
    expect(new Set(ids).size).toBe(6);
    const refused = await post(url, { ...request, outputs: [{ name: 'hidden' }] });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('outputs[0].name: found \\"hidden\\", expected one of label');
  });

  it('with the wrong tokenizer is found by the token ids of golden probes, whose labels are all right', async () => {
    const { base } = await processes.start(written('1.3').directory);
    const probesOf = async (version: string): Promise<GoldenProbe[]> =>
      (JSON.parse(await readFile(join(written(version).directory, 'probes.json'), 'utf8')) as { probes: GoldenProbe[] })
        .probes;
    const asked = { engine: openInferenceEngine(), address: base, model: 'mail-triage', timeoutMs: 2_000 };
    const { signal } = new AbortController();
    const ask = async (version: string, compareTokens: boolean) =>
      await askProbes(asked, await probesOf(version), signal, { compareTokens });
    expect(await ask('1.2', false)).toMatchObject({ ok: true });
    expect(await ask('1.3', true)).toMatchObject({ ok: true, tokens: { compared: 8, unmeasured: null } });
    expect(await ask('1.2', true)).toMatchObject({
      ok: false,
      why: expect.stringMatching(
        /^golden probe p1: the tokenizer does not fit, although label is right: \d+ tokens, but others/,
      ) as string,
    });
  });

  it('is what the demo asks with the probes of the trusted version before it releases the next', async () => {
    const [trusted, release] = ['1.2', '1.3'].map((version) => written(version).directory) as [string, string];
    expect(await againstProbesOf(trusted, release)).toBe('8 of 8 labels right, the token ids of 0');
    expect(await againstProbesOf(trusted, written('1.1').directory)).toBe('8 of 8 labels right, the token ids of 8');
  });

  it('speaks the protocol’s health, metadata and metrics', async () => {
    const { directory, digest } = written('1.0');
    const started = await processes.start(directory);
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
    const swapped = join(processes.scratch, 'swapped');
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
    const report = join(processes.scratch, 'report.json');
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
    const directory = join(processes.scratch, 'damaged');
    await cp(written('1.1').directory, directory, { recursive: true });
    await damage(directory);
    const { exited, errors } = processes.launch(directory);
    expect(await exited).toEqual({ code: 1, signal: null });
    expect(errors()).toMatch(message);
    await expect(readFile(join(processes.scratch, 'report.json'))).rejects.toThrow('ENOENT');
  });

  it('spends less than 3 ms in the model for a mail of the stream', async () => {
    const { test } = await prepared();
    const started = await processes.start(written('1.2').directory);
    const stream = mailStream(test, 5);
    for (let sent = 0; sent < 300; sent += 1) await (await infer(started, stream.next().value.text)).arrayBuffer();
    expect(await metric(started.base, 'mail_triage_inference_seconds_count')).toBe(300);
    expect((await metric(started.base, 'mail_triage_inference_seconds_sum')) / 300).toBeLessThan(0.003);
  });

  it('finishes what is in flight on SIGTERM, closes idle connections and exits 0', async () => {
    const started = await processes.start(written('1.0').directory);
    await infer(started, 'warm the connection');
    await fault(started, { kind: 'slow', delayMs: 400 });
    const slow = infer(started, 'late');
    await eventually('the request in flight', async () =>
      (await metric(started.base, 'mail_triage_requests_in_flight')) === 1 ? true : undefined,
    );
    started.child.kill('SIGTERM');
    const response = await slow;
    expect(response.status).toBe(200);
    expect(response.headers.get('connection')).toBe('close');
    expect(await started.exited).toEqual({ code: 0, signal: null });
  });
});
