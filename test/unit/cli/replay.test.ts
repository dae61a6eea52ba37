import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from '../../../cli/main';
import type { Terminal } from '../../../cli/terminal';
import { Observations } from '../../../gateway/observations';
import { Storage } from '../../../gateway/storage';
import { TelemetryStore } from '../../../gateway/telemetry-store';
import { counts } from '../activities/detection-rows';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';

afterAll(removeTemporary);

const startMs = Date.UTC(2026, 4, 1, 12);
const minute = 60_000;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function installation(): { readonly directory: string; run(...args: string[]): Promise<Ran> } {
  const directory = temporaryDirectory('replay');
  const config = join(directory, 'lastgood.yaml');
  writeFileSync(
    config,
    `services:
  mail:
    model: mail
    serving: { runtime: process, command: [/usr/bin/env, '{report}'] }
    metrics: { quality: { kind: mean, unit: points, direction: down, practicalMargin: 2 } }
`,
  );
  return {
    directory,
    run: async (...args) => {
      let [out, err] = ['', ''];
      const terminal: Terminal = {
        isTerminal: false,
        out: (line) => void (out += `${line}\n`),
        err: (line) => void (err += `${line}\n`),
        repaint: () => undefined,
        now: () => startMs + 24 * 3_600_000,
      };
      const code = await main(['replay', ...args, '--config', config], terminal);
      return { code, out, err };
    },
  };
}

/** A value a minute: errors at 0.2 % of 500 requests, at 20 % from `badFrom` on. */
function csv(minutes: number, badFrom: number): string {
  const lines = Array.from({ length: minutes }, (_, index) => {
    const time = new Date(startMs + index * minute).toISOString();
    return `${time},error-rate,${index >= badFrom ? 0.2 : 0.002},500`;
  });
  return ['time,metric,value,n', ...lines, ''].join('\n');
}

test('a file with a degradation says when it would have been rolled back and why, and ends with 1', async () => {
  const { directory, run } = installation();
  const file = join(directory, 'bad.csv');
  writeFileSync(file, csv(240, 180));
  const { code, out } = await run('--csv', file);
  expect(code).toBe(1);
  expect(out).toContain('mail: one rollback would have been made between');
  expect(out).toMatch(/would roll back from recorded \(immediate, emergency\)/);
  expect(out).toMatch(/error-rate: observed 20.* %, expected .*, limit .*, \d+ samples since/);
  expect(out).toContain('not known: memory is on no record');
});

test('the same file under another policy does not: that is the way to try one', async () => {
  const { directory, run } = installation();
  const file = join(directory, 'bad.csv');
  writeFileSync(file, csv(240, 180));
  const policy = join(directory, 'policy.yaml');
  writeFileSync(
    policy,
    'services: { mail: { policy: { detection: { metrics: { error-rate: { practicalMargin: 0.3 } } } } } }\n',
  );
  const { code, out } = await run('--csv', file, '--policy', policy, '--json');
  expect([code, (JSON.parse(out) as { decisions: unknown[] }).decisions]).toEqual([0, []]);
});

test('a file is refused with its name and every line that cannot be read', async () => {
  const { directory, run } = installation();
  const file = join(directory, 'wrong.csv');
  writeFileSync(file, 'time,metric,value,n\nnow,error-rate,0.1,5\n2026-05-01T12:00:00Z,speed,1,5\n');
  const { code, err } = await run('--csv', file);
  expect(code).toBe(64);
  expect(err).toContain(`${file}: line 2: time: found "now"`);
  expect(err).toContain(`${file}: line 3: metric: found "speed"`);
});

test('a copy of the gateway’s database is read with its rows and pushed values', async () => {
  const { directory, run } = installation();
  const data = temporaryDirectory('replay-gateway');
  const storage = new Storage(data);
  const store = new TelemetryStore(storage, 'mail');
  store.append(
    Array.from({ length: 240 }, (_, index) => {
      const { seq: _seq, ...row } = counts(0, { fromMs: startMs + index * minute, version: '1.2' });
      return { row };
    }),
  );
  const pushed = new Observations(storage, 'mail', [{ metric: 'quality', min: null, max: null }], 7 * 86_400_000);
  const items = Array.from({ length: 240 }, (_, index) => ({
    metric: 'quality',
    value: (index < 180 ? 80 : 70) + Math.sin(index * 2.3),
    at: new Date(startMs + index * minute).toISOString(),
  }));
  pushed.take({ key: 'all', items }, startMs + 240 * minute);
  storage.close();
  const copy = join(directory, 'copy.db');
  for (const part of ['', '-wal']) copyFileSync(join(data, `gateway.db${part}`), `${copy}${part}`);
  const { code, out } = await run('--telemetry', copy, '--from', '2026-05-01', '--to', '2026-05-01 16:00', '--json');
  const found = JSON.parse(out) as { rows: number; values: number; decisions: { verdict: { metric: string } }[] };
  expect([code, found.rows, found.values]).toEqual([1, 240, 240]);
  expect(found.decisions.map(({ verdict }) => verdict.metric)).toEqual(['quality']);
});

test('without a record to read it says where one would be, and what is asked wrongly ends with 64', async () => {
  const { run } = installation();
  const nobody = await run();
  expect(nobody.code).toBe(69);
  expect(nobody.err).toContain('or give a copy of its database with --telemetry');
  expect(await run('--service', 'other')).toMatchObject({ code: 64 });
  expect(await run('--csv', 'a', '--telemetry', 'b')).toMatchObject({ code: 64 });
  expect((await run('--from', '2026-05-03', '--to', '2026-05-02')).err).toContain('--from: is not before --to');
  expect((await run('--telemetry', '/nowhere/gateway.db')).err).toContain('there is no such file');
});
