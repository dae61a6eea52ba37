import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const root = join(__dirname, '..', '..');
const demo = join(root, 'dist', 'examples', 'mail-triage', 'demo.js');
const limitMs = 180_000;

afterAll(removeTemporary);

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly ms: number;
}

/** What `npm start` runs, in a directory of its own, until it ends by itself. */
function runDemo(args: readonly string[]): Promise<Ended> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [demo, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (err += piece.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err, ms: performance.now() - began }));
  });
}

const refused: readonly (readonly [string[], string])[] = [
  [['--seed', 'abc'], '--seed: found "abc", expected a whole number'],
  [['--no-such-option'], "Unknown option '--no-such-option'"],
];
test.each(refused)('%j ends with 64 and a sentence, starts nothing and shows no stack', async (args, message) => {
  const { code, out, err } = await runDemo(args);
  expect([code, out]).toEqual([64, '']);
  expect(err).toContain(message);
  expect(err).not.toContain('    at ');
});

test(
  'npm start tells the whole job within three minutes: chart, verdict, cause, steps, exposure, requests, where to look',
  async () => {
    const { code, out, err, ms } = await runDemo(['--dir', join(temporaryDirectory('demo'), 'run')]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(ms).toBeLessThan(limitMs);
    // The failing class outside its limit while the aggregate beside it is inside.
    expect(out).toMatch(/1\.3 +bulk [─┊]*◆[─┊]* +\d+ % +all [─┊]*●[─┊]* +\d+ % +\d+ sent, 0 lost/);
    expect(out).toMatch(
      /Release: 1\.3 passed its evaluation \(\d\d\.\d % of \d+ mails right, recall of bulk \d\d\.\d %\)/,
    );
    expect(chapterOf(out, 'Release')).toMatch(/with the probes of 1\.2: 8 of 8 labels right, the token ids of 0/);
    const noticed = chapterOf(out, 'Noticed');
    expect(noticed).toMatch(/bulk is recognised in \d+ % of \d+ labelled answers/);
    expect(noticed).toContain('cause: model');
    expect(noticed).toMatch(/of \d+ replayed inputs \d+ are wrong only on the live version/);
    const steps = chapterOf(out, 'Rolled back');
    expect(steps).toMatch(/rollback-decided +roll back from 1\.3 to 1\.2/);
    for (const step of ['shift', 'verify'])
      expect(steps).toMatch(new RegExp(`step-succeeded +${step} of 1\\.2 succeeded in \\d+ ms`));
    expect(steps).toMatch(/settled +rolled back from 1\.3 to 1\.2/);
    const cost = chapterOf(out, 'What it cost the users');
    expect(cost).toMatch(/exposed [\d.]+ m?s \(onset → restored\); settled [\d.]+ m?s after the onset/);
    expect(cost).toMatch(
      /detect [\d.]+ m?s +decide [\d.]+ m?s +prepare [\d.]+ m?s +shift [\d.]+ m?s +verify [\d.]+ m?s/,
    );
    const [, sent, answered] = /requests sent (\d+), answered (\d+), failed 0, dropped 0/.exec(cost) ?? [];
    expect(Number(sent)).toBeGreaterThan(1_000);
    expect(answered).toBe(sent);
    const next = chapterOf(out, 'Where to look next');
    expect(next).toMatch(/npm run -s lastgood -- explain \S+ --config \S+/);
    expect(next).toMatch(/decisions, alerts and logs: \S+/);
    expect(out).toContain('nothing is left running');
  },
  limitMs + 20_000,
);

function chapterOf(out: string, title: string): string {
  const from = out.indexOf(`── ${title}`);
  if (from < 0) return '';
  const to = out.indexOf('\n── ', from + 1);
  return out.slice(from, to < 0 ? undefined : to);
}
