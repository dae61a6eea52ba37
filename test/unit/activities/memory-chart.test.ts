import type { MemorySeen } from '../../../activities/detection/memory-chart';
import { WatchFold } from '../../../activities/detection/watch-fold';
import { memoryLimit } from '../../../adapters/serving/memory-limit';
import type { MetricPolicy } from '../../../domain/policy';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';
import { policy, startMs, watchInput } from './detection-rows';

const MIB = 1024 * 1024;
const memory: MetricPolicy = {
  metric: 'memory',
  kind: 'memory',
  badDirection: 'up',
  tier: 'immediate',
  minSamples: 12,
  practicalMargin: 64,
  assumed: null,
  hard: false,
};
const input = watchInput({
  policy: { ...policy, metrics: [...policy.metrics.filter((one) => one.metric !== 'memory'), memory] },
});

afterAll(removeTemporary);

function seen(mib: number, change: Partial<MemorySeen> = {}): MemorySeen {
  return { instance: 'a', bytes: mib * MIB, limitBytes: 384 * MIB, limitOf: 'serving.memoryLimit', ...change };
}

/** Looks every 5 s until there is news; resolves to the number of looks. */
function looks(fold: WatchFold, mib: (look: number) => number, most: number, change: Partial<MemorySeen> = {}): number {
  for (let look = 0; look < most; look++) {
    fold.takeMemory(seen(mib(look), change), startMs + look * 5_000);
    if (fold.hasNews) return look + 1;
  }
  return most;
}

const readingOf = (fold: WatchFold, atMs: number): unknown =>
  fold.readings(atMs).find(({ metric }) => metric === 'memory');

test('the leak of 1.4 is told with its time to the limit, after a minute and before the process dies', () => {
  const fold = new WatchFold(input, input);
  // 3.1 MiB a second: the process ends at 256 MiB of its cache, after 82 s.
  const count = looks(fold, (look) => 90 + 15.6 * look, 16);
  expect(count).toBe(12);
  const [began] = fold.began;
  expect(began?.verdict).toMatchObject({ metric: 'memory', tier: 'immediate', kind: 'degraded', unit: 'MiB/h' });
  expect(began?.verdict.sentence).toMatch(/of 384 MiB and rises by .* it reaches the limit in \d+ s/);
  expect(began?.verdict.baseline).toMatch(/serving\.memoryLimit/);
  expect(readingOf(fold, startMs + 60_000)).toMatchObject({ kind: 'degraded', samples: 12 });
});

test('a start that fills its caches and then stays flat is no leak', () => {
  const fold = new WatchFold(input, input);
  looks(fold, (look) => 90 + Math.min(60, 15 * look) + (look % 3), 60);
  expect(fold.began).toEqual([]);
  expect(readingOf(fold, startMs + 300_000)).toMatchObject({ kind: 'ok' });
});

test('evidence outlives the death of the watch, and another copy begins anew', () => {
  const first = new WatchFold(input, input);
  looks(first, (look) => 90 + 15 * look, 8);
  const charts = JSON.parse(JSON.stringify(first.snapshot())) as typeof input.charts;
  const second = new WatchFold(input, { cursor: first.cursor, charts });
  for (let look = 8; look < 12; look++) second.takeMemory(seen(90 + 15 * look), startMs + look * 5_000);
  expect(second.began).toHaveLength(1);
  const third = new WatchFold(input, { cursor: first.cursor, charts });
  for (let look = 8; look < 12; look++)
    third.takeMemory(seen(90 + 15 * look, { instance: 'b' }), startMs + look * 5_000);
  expect(third.began).toEqual([]);
});

test('a verdict on a copy ends when another copy serves', () => {
  const fold = new WatchFold(input, input);
  looks(fold, (look) => 90 + 15 * look, 16);
  fold.takeMemory(seen(90, { instance: 'b' }), startMs + 100_000);
  expect(fold.ended.map(({ id }) => id)).toEqual(fold.began.map(({ id }) => id));
});

test('what nobody looks at is unmeasured', () => {
  expect(readingOf(new WatchFold(input, input), startMs)).toMatchObject({ kind: 'unmeasured', samples: 0 });
});

describe('the limit of a copy', () => {
  function machine(files: Readonly<Record<string, string>>): { proc: string; cgroup: string } {
    const root = temporaryDirectory('memory');
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    return { proc: join(root, 'proc'), cgroup: join(root, 'cgroup') };
  }
  const meminfo = 'MemTotal:       8000 kB\nMemAvailable:   4000 kB\n';

  test('is what the configuration says', () => {
    expect(memoryLimit(7, 1, 5, machine({}))).toEqual({ bytes: 5, of: 'serving.memoryLimit' });
  });

  test('else the smallest of its cgroups', () => {
    const files = {
      'proc/7/cgroup': '0::/system.slice/up.service\n',
      'cgroup/system.slice/up.service/memory.max': 'max\n',
      'cgroup/system.slice/memory.max': '9000\n',
      'cgroup/memory.max': '10000\n',
      'proc/meminfo': meminfo,
    };
    expect(memoryLimit(7, 1, null, machine(files))).toMatchObject({
      bytes: 9_000,
      of: expect.stringMatching(/cgroup/) as string,
    });
  });

  test('else what it holds and what the host has left', () => {
    const files = { 'proc/7/cgroup': '0::/\n', 'proc/meminfo': meminfo };
    expect(memoryLimit(7, 1_000, null, machine(files))?.bytes).toBe(1_000 + 4_000 * 1024);
  });

  test('is not known where nothing can be read', () => {
    expect(memoryLimit(7, 1, null, machine({}))).toBeNull();
  });
});
