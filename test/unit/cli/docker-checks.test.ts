import { judgeDoor, judgeEngine } from '../../../cli/checks/docker';
import type { EngineFacts } from '../../../workers/docker-facts';
import { dockerTemplate } from '../../support/docker-runtime';

const GIB = 1024 ** 3;
const facts: EngineFacts = {
  name: 'the Docker engine at /var/run/docker.sock',
  version: '20.10.24',
  liveRestore: true,
  rootless: false,
  limitsMemory: true,
  runtimes: ['runc'],
  dataRoot: '/var/lib/docker',
  freeBytes: 100 * GIB,
  warnings: [],
  images: [],
};

function judged(change: Partial<EngineFacts>, template: Parameters<typeof dockerTemplate>[1] = {}): string[] {
  const serving = { template: dockerTemplate(`sha256:${'a'.repeat(64)}`, template) };
  return judgeEngine('mail: Docker', { ...facts, ...change }, serving).map(({ level, what }) => `${level} ${what}`);
}

test('an engine with live-restore and room is fine', () => {
  expect(judged({})).toEqual(['ok mail: Docker', 'ok mail: Docker: live-restore', 'ok mail: Docker: disk']);
});

test.each([
  ['copies that end with dockerd are a warning', { liveRestore: false }, {}, 'warning mail: Docker: live-restore'],
  [
    'a limit that the engine cannot keep is wrong',
    { limitsMemory: false },
    { memoryLimitBytes: GIB },
    'wrong mail: Docker: memory limit',
  ],
  ['GPUs are known at the first start only', {}, { gpus: 'all' as const }, 'not measured mail: Docker: GPUs'],
  ['little room is a warning', { freeBytes: 5 * GIB }, {}, 'warning mail: Docker: disk'],
  ['next to no room is wrong', { freeBytes: GIB / 2 }, {}, 'wrong mail: Docker: disk'],
])('%s', (_title, change, template, expected) => {
  expect(judged(change, template)).toContain(expected);
});

test('what the engine cannot be asked for is not judged', () => {
  expect(judged({ freeBytes: null, limitsMemory: false })).toEqual([
    'ok mail: Docker',
    'ok mail: Docker: live-restore',
  ]);
});

test('a socket that every user may open is wrong', () => {
  expect(judgeDoor('mail: Docker', 'everybody').map(({ level }) => level)).toEqual(['wrong']);
  expect(judgeDoor('mail: Docker', 'group')).toEqual([]);
  expect(judgeDoor('mail: Docker', null)).toEqual([]);
});
