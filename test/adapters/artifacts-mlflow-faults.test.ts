import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { mlflowRegistry } from '../../adapters/artifacts/mlflow/mlflow';
import type { MlflowServer } from '../../adapters/artifacts/mlflow/http';
import { pullVersion, type Pulled, type PullOptions } from '../../adapters/artifacts/registry/pull';
import type { Registry } from '../../adapters/artifacts/registry/registry';
import { syncRegistry } from '../../adapters/artifacts/registry/sync';
import { FakeMlflow, sendFile } from '../support/fake-mlflow';
import { storeRig, versionFiles, type StoreRig } from '../support/registries';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const { signal } = new AbortController();
let fake: FakeMlflow;
let rig: StoreRig;
const opened: Registry[] = [];

function registryAt(url: string, more: Partial<MlflowServer> = {}): Registry {
  const registry = mlflowRegistry({
    url,
    model: 'mail',
    authorization: async () => null,
    ca: null,
    timeoutMs: 500,
    ...more,
  });
  opened.push(registry);
  return registry;
}

beforeEach(async () => {
  fake = await FakeMlflow.start();
  fake.add(1, versionFiles('1'));
  rig = await storeRig(registryAt(fake.url));
});
afterEach(async () => {
  for (const registry of opened.splice(0)) await registry.close();
  await fake.close();
  // Whatever went wrong: nothing half is left.
  const staging = join(rig.root, 'staging');
  expect(existsSync(staging) ? readdirSync(staging) : []).toEqual([]);
});
afterAll(removeTemporary);

async function pull(more: Partial<PullOptions> = {}): Promise<Pulled> {
  const [entry] = await rig.pulling.registry.list(signal);
  if (entry === undefined) throw new Error('no version');
  return await pullVersion(entry, { ...rig.pulling, ...more });
}

const isFile = (url: URL, name: string): boolean => url.pathname.endsWith(`/${name}`);
const said =
  (status: number, body: string, headers = {}) =>
  (_: unknown, response: ServerResponse): boolean => {
    response.writeHead(status, headers).end(body);
    return true;
  };

describe('an answer that is none of MLflow', () => {
  it.each([
    [
      'a page instead of a login',
      said(401, '<html>', { 'www-authenticate': 'Basic realm="mlflow"' }),
      /answered 401: it wants a name and a password/,
    ],
    [
      'a page instead of a route',
      said(404, '<!doctype html>\n<html>'),
      /answered 404 with a page instead of JSON.*path is missing in registry\.url/,
    ],
    [
      'a refused host',
      said(403, 'Invalid Host header - possible DNS rebinding attack detected'),
      /"Invalid Host header .*--allowed-hosts/,
    ],
    [
      'a redirect',
      said(302, '', { location: 'http://169.254.169.254/' }),
      /points to "http:\/\/169\.254\.169\.254\/", which is not followed/,
    ],
    [
      'no right',
      said(403, '{"error_code":"PERMISSION_DENIED","message":"Permission denied"}'),
      /Permission denied \(PERMISSION_DENIED, 403\)/,
    ],
    ['text for JSON', said(200, 'OK'), /found "OK", expected JSON/],
    ['another shape', said(200, '{"registered_model": {"aliases": 3}}'), /registered_model\.\w+: found .*expected/],
    [
      'a server that cannot',
      said(500, '{"error_code":"INTERNAL_ERROR","message":"database is locked"}'),
      /database is locked/,
    ],
    ['silence', () => true, /no whole answer within 500 ms/],
    ['more than is read', said(200, Buffer.alloc(9 * 1024 * 1024, 32).toString()), /longer than 8388608 bytes/],
  ])('is refused with the reason: %s', async (_what, fault, words) => {
    fake.fault = fault;
    await expect(rig.pulling.registry.list(signal)).rejects.toThrow(words);
  });

  it('ends at a server that gives page after page', async () => {
    fake.fault = (_request, response, { pathname }) =>
      pathname.endsWith('/search') && said(200, '{"model_versions": [], "next_page_token": "again"}')(0, response);
    await expect(registryAt(fake.url).list(signal)).rejects.toThrow(/has more than 10000 versions/);
    expect(fake.calls.length).toBeLessThan(60);
  });
});

describe('a listing that cannot be trusted', () => {
  it.each(['../../etc/passwd', '..', '/etc/passwd', 'a/b', 'a\\b', ''])('is refused when it names %j', async (path) => {
    fake.fault = (_request, response, { pathname }) =>
      pathname.endsWith('-artifacts/artifacts') && said(200, JSON.stringify({ files: [{ path }] }))(0, response);
    await expect(pull()).rejects.toThrow(/expected the name of a file in the folder that was asked for/);
  });

  it('is refused when it has no end in depth, is too large, or has two names for one file', async () => {
    const listing =
      (files: unknown[]) =>
      (_request: unknown, response: ServerResponse, { pathname }: URL) =>
        pathname.endsWith('-artifacts/artifacts') && said(200, JSON.stringify({ files }))(0, response);
    fake.fault = listing([{ path: 'deeper', is_dir: true }]);
    await expect(pull()).rejects.toThrow(/more than 1000 folders, or 16 in a row/);
    fake.fault = listing([{ path: 'w.bin', file_size: 2 * 1024 ** 2 }]);
    await expect(pull()).rejects.toThrow(/w\.bin has 2097152 bytes, at most 1048576 are taken/);
    fake.fault = listing([
      { path: 'w.bin', file_size: 1 },
      { path: 'W.bin', file_size: 1 },
    ]);
    await expect(pull()).rejects.toThrow(/one name that differs by more than case/);
    fake.fault = listing([]);
    await expect(pull()).rejects.toThrow(/has no files at the registry/);
  });
});

describe('a download', () => {
  it('goes on where the connection broke, and only with the same file', async () => {
    let breaks = 2;
    const ranges: (string | undefined)[] = [];
    fake.fault = (request, response, url) => {
      if (!isFile(url, 'tokenizer.json')) return false;
      ranges.push(request.headers.range);
      if (breaks-- === 0) return false;
      const content = Buffer.from(versionFiles('1')['tokenizer.json'] ?? '');
      response.writeHead(200, { etag: '"1"', 'content-length': content.length });
      response.write(content.subarray(0, 5), () => setTimeout(() => response.destroy(), 20));
      return true;
    };
    expect(await pull()).toMatchObject({ outcome: 'imported' });
    expect(ranges).toEqual([undefined, 'bytes=5-', 'bytes=5-']);
  });

  it('begins anew where the file became another one, and refuses what is not as long as it was listed', async () => {
    let first = true;
    fake.fault = (request, response, url) => {
      if (!isFile(url, 'tokenizer.json')) return false;
      if (!first) {
        sendFile(request, response, Buffer.from('{"lowercase":true,"seed":"1", "and": "longer"}'), '"2"');
        return true;
      }
      first = false;
      response.writeHead(200, { etag: '"1"', 'content-length': 29 });
      response.write('{"low', () => setTimeout(() => response.destroy(), 20));
      return true;
    };
    await expect(pull()).rejects.toThrow(
      /tokenizer\.json: more than the 29 bytes that were listed or are allowed came/,
    );
    fake.fault = (request, response, url) => {
      if (isFile(url, 'tokenizer.json')) sendFile(request, response, Buffer.from('{}'));
      return isFile(url, 'tokenizer.json');
    };
    await expect(pull()).rejects.toThrow(/tokenizer\.json: 29 bytes were listed, 2 came/);
  });

  it('is refused when the files are others at its end', async () => {
    fake.fault = (_request, _response, url) => {
      if (isFile(url, 'weights.safetensors')) fake.add(1, { ...versionFiles('1'), 'late.bin': 'x' });
      return false;
    };
    await expect(pull()).rejects.toThrow(/its files changed while they were fetched \(late\.bin is new\)/);
    expect(await rig.store.list('mail')).toEqual([]);
  });

  it('leaves nothing when it is told to end, when the server falls silent, or when it dies', async () => {
    const stop = new AbortController();
    fake.fault = (_request, response, url) => {
      if (!isFile(url, 'weights.safetensors')) return false;
      response.writeHead(200, { 'content-length': 1_000 }).write('x');
      setTimeout(() => stop.abort(), 50);
      return true;
    };
    await expect(pull({ signal: stop.signal })).rejects.toThrow(/ended before|aborted/);
    await expect(pull()).rejects.toThrow(/weights\.safetensors: .*(more than|silent)/);
    fake.fault = (_request, response, url) => isFile(url, 'weights.safetensors') && Boolean(response.destroy());
    await expect(pull()).rejects.toThrow(/MLflow at http.*: /);
    expect(await rig.store.list('mail')).toEqual([]);
  });

  it('asks for room before the first byte, and says how much is missing', async () => {
    await expect(pull({ freeBytes: async () => 100 })).rejects.toThrow(
      /no room on the disk of .*: it needs 1\.\d KiB for a moment, 100 B are free; .*artifacts prune/,
    );
    expect(fake.calls.some((call) => call.includes('artifacts/0/1/weights'))).toBe(false);
  });
});

describe('a look at a registry', () => {
  it('does not fetch a refused version again and again, and takes an older one instead', async () => {
    fake.versions.clear();
    for (let at = 1; at <= 4; at++) fake.add(at, versionFiles(String(at)));
    fake.add(5, { ...versionFiles('5'), 'weights.safetensors': 'not what it says' });
    fake.add(6, versionFiles('6'), { status: 'PENDING_REGISTRATION' });
    const report = await syncRegistry(rig.sync());
    expect(report.validated).toEqual(['v4', 'v3', 'v2']);
    expect(report.refused).toEqual([{ version: 'v5', why: expect.stringContaining('weights.safetensors') }]);
    expect(report.passedOver).toContainEqual({ version: 'v6', why: 'the registry says that it is pending' });
    fake.calls.length = 0;
    const again = await syncRegistry(rig.sync());
    expect(again.passedOver).toContainEqual({ version: 'v5', why: expect.stringContaining('refused lately') });
    expect(fake.calls.some((call) => call.includes('/0/5'))).toBe(false);
    const nextDay = await syncRegistry(rig.sync({ now: () => Date.now() + 25 * 3_600_000 }));
    expect(nextDay.refused).toHaveLength(1);
  });

  it('takes a version for which there was no room at the next look, when there is', async () => {
    const full = await syncRegistry(rig.sync({ freeBytes: async () => 100 }));
    expect(full).toMatchObject({ pulled: [], refused: [{ version: 'v1', why: expect.stringContaining('no room') }] });
    expect((await syncRegistry(rig.sync())).validated).toEqual(['v1']);
  });

  it('gives a version up that comes a byte at a time, goes on with the others, and tries it again at the next look', async () => {
    fake.add(2, versionFiles('2'));
    fake.fault = (_request, response, url) => {
      if (!/\/0\/2\/weights/.test(url.pathname)) return false;
      response.writeHead(200);
      const drip = setInterval(() => response.write('x'), 100);
      response.on('close', () => clearInterval(drip));
      return true;
    };
    const report = await syncRegistry(rig.sync({ withinMs: () => 1_500 }));
    expect(report.refused).toEqual([{ version: 'v2', why: expect.stringMatching(/was not here after 2 s.*at least/) }]);
    expect(report).toMatchObject({ interrupted: null, validated: ['v1'] });
    fake.fault = () => false;
    expect((await syncRegistry(rig.sync())).validated).toEqual(['v2', 'v1']);
  });

  it('keeps what it has when the registry goes away in the middle, and says so', async () => {
    fake.add(2, versionFiles('2'));
    fake.fault = (_request, response, url) => /\/0\/2\/weights/.test(url.pathname) && said(503, 'later')(0, response);
    const report = await syncRegistry(rig.sync());
    expect(report).toMatchObject({ interrupted: expect.stringContaining('503'), refused: [] });
    expect((await rig.store.list('mail')).map(({ version }) => version)).toEqual(['v1']);
    fake.fault = () => false;
    expect((await syncRegistry(rig.sync())).validated).toEqual(['v2', 'v1']);
  });

  it('counts no version that a rollback could not choose, and fetches none', async () => {
    for (const at of [2, 3, 4]) fake.add(at, versionFiles(String(at)));
    const report = await syncRegistry(rig.sync({ choosable: (version) => version !== 'v4' }));
    expect(report.validated).toEqual(['v3', 'v2', 'v1']);
    expect(report.passedOver).toEqual([{ version: 'v4', why: 'no rollback could choose it' }]);
  });
});

it('trusts a server by the configured certificates, and says which one it did not trust', async () => {
  const directory = temporaryDirectory('tls');
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '1',
      '-keyout',
      key,
      '-out',
      cert,
      ...subject,
    ],
    { stdio: 'ignore' },
  );
  const pem = readFileSync(cert, 'utf8');
  const secure = await FakeMlflow.start({ key: readFileSync(key, 'utf8'), cert: pem });
  try {
    await expect(registryAt(secure.url).list(signal)).rejects.toThrow(/DEPTH_ZERO_SELF_SIGNED_CERT|self-signed/);
    let sent: string | undefined;
    secure.fault = (request) => {
      sent = request.headers.authorization;
      return false;
    };
    const trusted = registryAt(secure.url, { ca: pem, authorization: async () => 'Bearer t0ken' });
    expect(await trusted.list(signal)).toEqual([]);
    expect(sent).toBe('Bearer t0ken');
  } finally {
    await secure.close();
  }
});
