import { containerName, containerSpec } from '../../../adapters/serving/docker/container-spec';
import { logText } from '../../../adapters/serving/docker/log';
import { endOf, memoryFrom, parseInspection } from '../../../adapters/serving/docker/inspection';
import { dockerTemplate } from '../../support/docker-runtime';

const image = `sha256:${'a'.repeat(64)}`;
const labels = {
  service: 'mail',
  version: '1.2',
  instance: 'mail@1.2#a',
  digest: `sha256:${'b'.repeat(64)}`,
  image,
  nonce: 'c'.repeat(32),
  port: null,
};

function spec(change: Parameters<typeof dockerTemplate>[1] = {}, hostPort: number | null = null) {
  const template = dockerTemplate(image, { network: 'bridge', port: 8000, ...change });
  return containerSpec({ template, owner: 'o', labels, artifact: '/store/one', hostPort, publishAt: '127.0.0.1' });
}

test('a container is made of the image by its id, and its placeholders are filled in arguments and variables', () => {
  const made = spec({
    command: ['--dir', '{artifact}', '--port={port}'],
    env: { WHO: '{instance} {digest}', BRACES: '{other}' },
  });
  expect(made.Image).toBe(image);
  expect(made.Cmd).toEqual(['--dir', '/artifact', '--port=8000']);
  expect(made.Env).toEqual([`WHO=mail@1.2#a ${labels.digest}`, 'BRACES={other}']);
});

test('an artifact may be mounted at a path that is its digest, which servers then report as what they loaded', () => {
  const made = spec({ artifactPath: '/models/{digest}', command: ['--model', '{artifact}'] });
  expect(made.Cmd).toEqual(['--model', `/models/${'b'.repeat(64)}`]);
  expect(made.HostConfig?.Mounts).toMatchObject([{ Source: '/store/one', Target: `/models/${'b'.repeat(64)}` }]);
});

test('a port is published on the one address that was named, any or the one that a route names', () => {
  expect(spec().HostConfig?.PortBindings).toEqual({ '8000/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] });
  expect(spec({}, 4711).HostConfig?.PortBindings).toEqual({ '8000/tcp': [{ HostIp: '127.0.0.1', HostPort: '4711' }] });
  expect(spec({ network: 'host', port: null }).HostConfig?.PortBindings).toBeUndefined();
});

test.each([
  ['all', [{ Driver: '', Capabilities: [['gpu']], Options: {}, Count: -1 }]],
  [2, [{ Driver: '', Capabilities: [['gpu']], Options: {}, Count: 2 }]],
  [['GPU-1', 'GPU-2'], [{ Driver: '', Capabilities: [['gpu']], Options: {}, DeviceIDs: ['GPU-1', 'GPU-2'] }]],
  [null, []],
] as const)('GPUs are asked for by a device request: %j', (gpus, requests) => {
  expect(spec({ gpus }).HostConfig?.DeviceRequests).toEqual(requests);
});

test('the name of a container is the same for every attempt, one that Docker allows, and no two instances share it', () => {
  expect(containerName('o', 'mail@1.2#a')).toBe(containerName('o', 'mail@1.2#a'));
  expect(containerName('o', 'mail@1.2#a')).toMatch(/^lastgood-mail_1\.2_a-[0-9a-f]{10}$/);
  expect(containerName('o', 'mail@1.2_a')).not.toBe(containerName('o', 'mail@1.2#a'));
  expect(containerName('p', 'mail@1.2#a')).not.toBe(containerName('o', 'mail@1.2#a'));
});

test('a log is read out of its frames, also where the last one is cut', () => {
  const frame = (stream: number, text: string): Buffer => {
    const head = Buffer.alloc(8);
    head[0] = stream;
    head.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  const raw = Buffer.concat([frame(1, 'one\n'), frame(2, 'two\n'), frame(1, 'three')]);
  expect(logText(raw, false).toString()).toBe('one\ntwo\nthree');
  expect(logText(raw.subarray(0, -2), false).toString()).toBe('one\ntwo\nthr');
  expect(logText(Buffer.from('plain'), true).toString()).toBe('plain');
  expect(logText(Buffer.alloc(0), false).toString()).toBe('');
});

test('memory is what a container holds without the files that it could give back; what is not said is not measured', () => {
  const stats = (memory: object): unknown => ({ memory_stats: memory });
  expect(memoryFrom(stats({ usage: 100, limit: 900, stats: { total_inactive_file: 30 } }))).toEqual({
    bytes: 70,
    limitBytes: 900,
  });
  expect(memoryFrom(stats({ usage: 100, stats: { inactive_file: 30 } }))).toEqual({ bytes: 70, limitBytes: null });
  expect(memoryFrom(stats({}))).toBeNull();
  expect(memoryFrom('nothing')).toBeNull();
});

test.each([
  [{ ExitCode: 0 }, '0'],
  [{ ExitCode: 143 }, 'SIGTERM'],
  [{ ExitCode: 137, OOMKilled: true }, 'out of memory (SIGKILL)'],
  [{ ExitCode: 127, Error: 'exec: no such file' }, '127: exec: no such file'],
])('how a container ended is said in words: %j', (change, words) => {
  const at = '2026-01-01T00:00:00Z';
  const state = { Status: 'exited', OOMKilled: false, Error: '', StartedAt: at, FinishedAt: at, ...change };
  const rest = { Config: {}, HostConfig: { NetworkMode: 'host', Memory: 0 }, NetworkSettings: {} };
  expect(endOf(parseInspection({ Id: 'i', Name: '/n', Image: image, Created: at, State: state, ...rest }))).toBe(words);
  expect(() => parseInspection({ Id: 'i' })).toThrow(/otherwise than its API says/);
});
