import { createServer, type Server } from 'node:http';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { askExternalParts, externalRefusal } from '../../activities/external-parts';
import { probeInstance } from '../../activities/probe-instance';
import { validateArtifact } from '../../activities/validate-artifact';
import type { Engine, ExternalParts } from '../../activities/ports';
import { openDirectoryStore, type DirectoryStore } from '../../adapters/artifacts/directory-store';
import { externalParts, type ExternalPart } from '../../adapters/serving/external-parts';
import { writeArtifact } from '../support/artifact-directory';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const quiet = (): MockActivityEnvironment => new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });

/** Answers by path; a path that is not there is answered 404. */
let answers: Record<string, string> = {};
let server: Server;
let base = '';
let store: DirectoryStore;
let digest = '';

beforeAll(async () => {
  server = createServer((request, response) => {
    const answer = answers[request.url ?? ''];
    response.writeHead(answer === undefined ? 404 : 200).end(answer);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  store = await openDirectoryStore({ directory: temporaryDirectory('store') });
  // Declares that it needs version 7 of `features`.
  const { info } = await store.import(writeArtifact(temporaryDirectory('offer'), { version: '1.2' }));
  digest = info.digest;
});
beforeEach(() => {
  answers = {};
});
afterAll(() => {
  server.close();
  removeTemporary();
});

const partsAt = (part: ExternalPart | null): ExternalParts =>
  externalParts((_service, name) => (name === 'features' ? part : null));
const json = (): ExternalPart => ({ url: `${base}/info`, path: 'build.version' });

async function validate(external: ExternalParts): Promise<unknown> {
  const activity = validateArtifact({ artifacts: store, external });
  return await quiet().run(activity, { service: 'mail', version: '1.2', digest });
}

async function probe(external: ExternalParts): Promise<unknown> {
  const engine: Engine = {
    name: 'fake',
    ready: () => Promise.resolve({ ready: true, why: '' }),
    identity: () => Promise.resolve({ digest, version: '1.2', means: 'reported-digest' }),
    infer: () => Promise.resolve({ status: 200, ms: 1, outputs: { label: 'spam' }, headers: {} }),
  };
  const activity = probeInstance({ artifacts: store, engine: () => engine, external });
  const backend = { address: 'http://127.0.0.1:9', instance: 'mail@1.2#1', digest };
  return await quiet().run(activity, { service: 'mail', version: '1.2', model: 'mail', backend });
}

describe('a version that needs a part outside of its process', () => {
  it('is validated and probed where the part has the declared version, and the note says so', async () => {
    answers = { '/info': '{"build":{"version":7}}' };
    expect(await validate(partsAt(json()))).toEqual({
      ok: true,
      note: 'every file is what its manifest says; outside: features 7',
    });
    expect(await probe(partsAt(json()))).toMatchObject({ ok: true, probes: 1 });
  });

  it('is refused before and after its load where the part has another one, with both named', async () => {
    answers = { '/info': '{"build":{"version":"8"}}' };
    const refused = { ok: false, why: 'features has version 8, mail@1.2 needs 7' };
    expect(await validate(partsAt(json()))).toEqual(refused);
    expect(await probe(partsAt(json()))).toEqual(refused);
  });

  it('moves as one with it where each version of the part has a place of its own', async () => {
    answers = { '/v7/version': ' 7\n', '/v8/version': '8' };
    expect(await validate(partsAt({ url: `${base}/v{version}/version`, path: null }))).toMatchObject({ ok: true });
    delete answers['/v7/version'];
    expect(await validate(partsAt({ url: `${base}/v{version}/version`, path: null }))).toMatchObject({
      ok: true,
      note: expect.stringContaining('not said: features does not say its version'),
    });
  });

  it.each<[string, () => Record<string, string>, RegExp]>([
    ['answers 404', () => ({}), /info answered 404/],
    ['answers no JSON', () => ({ '/info': '<html>' }), /expected JSON/],
    [
      'answers without a version',
      () => ({ '/info': '{"build":{}}' }),
      /expected a version at build\.version, found nothing/,
    ],
    ['answers an object', () => ({ '/info': '{"build":{"version":{"a":1}}}' }), /found \{"a":1\}/],
    ['answers an empty version', () => ({ '/info': '{"build":{"version":""}}' }), /found ""/],
    ['answers without end', () => ({ '/info': 'x'.repeat(100_000) }), /longer than 65536 bytes/],
  ])('I10: is not refused where the part %s, and the note says that it was not said', async (_what, given, message) => {
    answers = given();
    const info = { version: '1.2', external: [{ name: 'features', version: '7' }] };
    const { why, notes } = await externalRefusal(partsAt(json()), 'mail', info, { patienceMs: 0 });
    expect(why).toBeNull();
    expect(notes).toEqual([expect.stringMatching(/^not said: features does not say its version, mail@1\.2 needs 7: /)]);
    expect(notes[0]).toMatch(message);
  });

  it('I10: costs a candidate a few seconds, not its turn, while nobody listens there', async () => {
    const nobody = partsAt({ url: 'http://127.0.0.1:9/info', path: null });
    const words = /not said: features does not say its version.*ECONNREFUSED/;
    expect(await validate(nobody)).toMatchObject({ ok: true, note: expect.stringMatching(words) });
    expect(await probe(nobody)).toMatchObject({ ok: true, note: expect.stringMatching(words) });
    const found = await askExternalParts(nobody, 'mail', {
      version: '1.2',
      external: [{ name: 'features', version: '7' }],
    });
    expect(found).toMatchObject({ wrong: [], right: [], unmeasured: [expect.stringContaining('needs 7') as string] });
  });

  it('is asked again for some seconds, and refused by what it says then', async () => {
    setTimeout(() => (answers = { '/info': '{"build":{"version":"8"}}' }), 700);
    expect(await validate(partsAt(json()))).toEqual({ ok: false, why: 'features has version 8, mail@1.2 needs 7' });
  });

  it('is taken where nobody configured how to ask, and the note says that nobody asked', async () => {
    expect(await validate(partsAt(null))).toEqual({
      ok: true,
      note: 'every file is what its manifest says; not asked: features (declared 7; services.mail.external.features is not configured)',
    });
  });

  it('cannot choose another address by what it declares', async () => {
    answers = { '/v/..%2F..%2Fevil%3Fa/version': 'yes' };
    const parts = partsAt({ url: `${base}/v/{version}/version`, path: null });
    expect(await parts.version('mail', 'features', '../../evil?a')).toBe('yes');
  });
});
