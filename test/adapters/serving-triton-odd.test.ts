import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { artifactListing } from '../../adapters/artifacts/listing';
import { parseModelConfig } from '../../adapters/serving/triton/model-config';
import { placeVersion } from '../../adapters/serving/triton/placement';
import { openTritonRuntime, type TritonRuntimeOptions } from '../../adapters/serving/triton/triton-runtime';
import { startRequest } from '../support/contracts/serving-runtime';
import { writeArtifact } from '../support/artifact-directory';
import { removeTemporary, temporaryDirectory } from '../support/temporary';
import { listDirectory, tritonArtifact, tritonOptions } from '../support/triton-runtime';
import { MODEL } from '../support/triton-server';

/** What no real Triton says on demand: half answers, other servers, deaths in mid-load. */
type Said = { readonly status?: number; readonly text: string } | 'reset' | 'silence';
const never = new AbortController().signal;
let server: Server;
let says: Record<string, Said>;
let asked: string[];

beforeEach(async () => {
  asked = [];
  says = { index: { text: '[]' }, load: { text: '' }, unload: { text: '' }, ready: { text: '' } };
  server = createServer((request, response) => {
    const kind = request.url?.split('/').at(-1) ?? '';
    asked.push(kind);
    const said = says[kind] ?? { status: 404, text: '' };
    if (said === 'reset') request.socket.destroy();
    else if (said !== 'silence') response.writeHead(said.status ?? 200).end(said.text);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});
afterAll(removeTemporary);

const address = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const request = () => startRequest({ artifact: tritonArtifact({ label: 'spam' }) });
const versions = ({ repository }: TritonRuntimeOptions) => {
  const file = join(repository, MODEL, 'config.pbtxt');
  return parseModelConfig(readFileSync(file, 'utf8'), MODEL, file).versions;
};

test.each<[string, Record<string, Said>, string, RegExp]>([
  [
    'a page instead of an index',
    { index: { text: '<html>502 Bad Gateway</html>' } },
    'EngineAnswerRefused',
    /repository\/index: expected JSON, found "<html>/,
  ],
  [
    'an index of something else',
    { index: { text: '{"models":[]}' } },
    'EngineAnswerRefused',
    /index: not what Triton answers: .*expected array/s,
  ],
  [
    'a proxy that says 503',
    { index: { status: 503, text: 'no healthy upstream' } },
    'EngineAnswerRefused',
    /no healthy upstream/,
  ],
  [
    'another repository',
    { load: { status: 500, text: `{"error":"failed to load 'mail', failed to poll from model repository"}` } },
    'ServingRefused',
    /failed to poll from model repository\. Is serving\.repository the directory/,
  ],
  ['a fault without words', { load: { status: 502, text: '' } }, 'EngineAnswerRefused', /load answered 502: nothing/],
  [
    'a load that fails with a very long story',
    { load: { status: 400, text: JSON.stringify({ error: `load failed: ${'x '.repeat(5_000)}` }) } },
    'InstanceFailed',
    /^mail@1\.0#a: Triton did not load it: load failed: x x .{500,700}…$/,
  ],
  ['a death in mid-load', { load: 'reset' }, 'EngineUnreachable', /models\/mail\/load: .*(closed|reset|hang up)/i],
])('%s is told in its own words, and leaves the policy as it was', async (_title, change, name, words) => {
  Object.assign(says, change);
  const options = tritonOptions({ address: address() });
  const runtime = await openTritonRuntime(options);
  await expect(runtime.start(request(), never)).rejects.toMatchObject({
    name,
    message: expect.stringMatching(words) as string,
  });
  expect(versions(options)).toBeNull();
});

test('a load that says 200 for nothing is not believed', async () => {
  says.ready = { status: 400, text: '{"error":"Model version not ready"}' };
  const runtime = await openTritonRuntime(tritonOptions({ address: address() }));
  await expect(runtime.start(request(), never)).rejects.toThrow(
    /said that it loaded version 1 of mail, and 2000 ms later/,
  );
}, 15_000);

test('a load that takes longer than its limit is left to the server, and found when it is asked for again', async () => {
  says.load = 'silence';
  says.index = { text: '[{"name":"mail","version":"1","state":"LOADING"}]' };
  const options = tritonOptions({ address: address(), loadLimitMs: 300 });
  const runtime = await openTritonRuntime({ ...options });
  says.index = { text: '[]' };
  const loading = runtime.start(request(), never);
  loading.catch(() => undefined);
  setTimeout(() => (says.index = { text: '[{"name":"mail","version":"1","state":"LOADING"}]' }), 100);
  await expect(loading).rejects.toMatchObject({
    name: 'StillLoading',
    message: expect.stringMatching(/has not loaded it within 300 ms and is still at it/) as string,
  });
  expect(versions(options)).toEqual([1]);
  says.index = { text: '[{"name":"mail","version":"1","state":"READY"}]' };
  expect(await runtime.start(request(), never)).toMatchObject({ state: 'running' });
  expect(asked.filter((kind) => kind === 'load')).toHaveLength(1);
});

test('a number is not given again, whatever became of its record', async () => {
  says.load = { status: 400, text: '{"error":"no"}' };
  const options = tritonOptions({ address: address(), keepEnded: 0 });
  const runtime = await openTritonRuntime(options);
  for (let count = 0; count < 3; count += 1) await expect(runtime.start(request(), never)).rejects.toThrow(/no/);
  expect(readFileSync(join(options.directory, 'triton', 'highest'), 'utf8').trim()).toBe('3');
  writeFileSync(join(options.directory, 'triton', 'highest'), 'many');
  await expect(runtime.start(request(), never)).rejects.toThrow(/highest: found "many", expected the highest number/);
});

test('only what the manifest lists is placed, and nothing of another artifact or another content', async () => {
  const artifact = writeArtifact(temporaryDirectory('artifact'), { version: '1.0' });
  const wrong = `sha256:${'0'.repeat(64)}`;
  await expect(artifactListing(artifact, wrong)).rejects.toThrow(/manifest\.json: changed \(expected sha256:000/);
  const digest = /found (sha256:[0-9a-f]{64})/.exec(String(await artifactListing(artifact, wrong).catch(String)))?.[1];
  const files = await artifactListing(artifact, digest ?? '');
  const model = temporaryDirectory('model');
  const placing = { artifact, files, subdirectory: '', model, number: 1 };
  writeFileSync(join(artifact, 'stray.py'), 'evil');
  await placeVersion(placing);
  expect(readdirSync(join(model, '1')).sort()).not.toContain('stray.py');
  expect(readdirSync(join(model, '1'))).toContain('weights.safetensors');
  await placeVersion({ ...placing, subdirectory: 'adapter', number: 2 });
  expect(readdirSync(join(model, '2'))).toEqual(['delta.safetensors']);
  await expect(placeVersion({ ...placing, subdirectory: 'none' })).rejects.toThrow(/lists no file below none\//);
  writeFileSync(join(artifact, 'weights.safetensors'), 'other');
  await expect(placeVersion({ ...placing, number: 3 })).rejects.toThrow(/copied as 5 bytes .*its manifest says/);
  expect(readdirSync(model).sort()).toEqual(['1', '2']);
  const missing = { ...placing, model: join(model, 'nowhere') };
  await expect(placeVersion(missing)).rejects.toThrow(/cannot write into .*nowhere.*serving\.repository/);
  expect((await listDirectory(join(model, '2'))).map(({ path }) => path)).toEqual(['delta.safetensors']);
});
