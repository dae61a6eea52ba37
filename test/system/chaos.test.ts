import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { distDirectory } from '../../workers/program';
import type { RunReport } from '../../workers/chaos/run';
import type { Installation } from '../support/installation';
import { deploy, startLight, standbyReady } from '../support/installation-story';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

let installation: Installation;

beforeAll(async () => {
  // What these experiments do to a copy is told by steps and router, not by detection.
  const metrics = { 'error-rate': 'off', 'timeout-rate': 'off' };
  const policy = { detection: { metrics }, verify: { goodAnswers: 20, max: '5s' } };
  installation = await startLight({ name: 'chaos', policy, service: { chaos: 'ask' } });
  await deploy(installation, '1.1');
  await deploy(installation, '1.2');
}, 300_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[]): ChildProcess {
  const program = join(distDirectory(), 'cli', 'lastgood.js');
  const config = ['--config', join(installation.directory, 'lastgood.yaml')];
  return spawn(process.execPath, [program, ...args, ...config], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LASTGOOD_FAILPOINTS: installation.failpointDirectory },
  });
}

function lastgood(args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = start(args);
    let out = '';
    let err = '';
    child.stdout?.on('data', (piece: Buffer) => (out += piece.toString()));
    child.stderr?.on('data', (piece: Buffer) => (err += piece.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
}

async function run(experiment: string): Promise<Ended & { readonly report: RunReport }> {
  await standbyReady(installation);
  const ended = await lastgood(['chaos', 'run', experiment, '--reason', 'test', '--consent', 'mail-triage', '--json']);
  let report: RunReport;
  try {
    report = JSON.parse(ended.out) as RunReport;
  } catch {
    throw new Error(`no report: ${JSON.stringify(ended)}`);
  }
  return { ...ended, report };
}

/** What did not hold, in words. */
function notOk({ findings, invariants }: RunReport): unknown[] {
  return [...findings.filter(({ ok }) => ok !== true), ...invariants.filter(({ holds }) => holds !== true)];
}

test.each(['corrupted-artifact', 'killed-mid-swap', 'surge-during-rollback'])(
  'the seed experiment %s passes on a real installation, and leaves it as it was',
  async (experiment) => {
    const { report, code, err } = await run(experiment);
    expect({ notOk: notOk(report), verdict: report.verdict, err: report.verdict === 'passed' ? '' : err }).toEqual({
      notOk: [],
      verdict: 'passed',
      err: '',
    });
    expect({ code, leftovers: report.leftovers }).toEqual({ code: 0, leftovers: [] });
    const state = await until('a state', () => installation.api.state());
    expect(state.declared?.primary).toBe('1.2');
  },
  240_000,
);

function experimentFile(text: object): string {
  const file = join(installation.directory, 'experiment.yaml');
  writeFileSync(file, stringify({ schema: 1, name: 'of-a-test', why: 'a test', users: { perSecond: 5 }, ...text }));
  return file;
}

const consent = ['--reason', 'test', '--consent', 'mail-triage'];

test('an experiment that selects nothing is void by name, touches nothing, and without consent none begins', async () => {
  const file = experimentFile({
    steadyState: { errors: { of: 3 } },
    fault: { kind: 'kill-serving', version: '9.9' },
    expect: { within: '1s', outcome: 'none' },
  });
  const after = await installation.api.ledgerHead();
  const refused = await lastgood(['chaos', 'run', file, '--reason', 'test']);
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('services.mail-triage.chaos is ask, and nobody consented');
  const begun = (await installation.api.ledger(after)).filter(({ facts }) => facts['act'] === 'chaos');
  expect(begun).toEqual([]);
  const { code, out } = await lastgood(['chaos', 'run', file, ...consent]);
  expect(code).toBe(3);
  expect(out).toContain('BAD  the fault happened: FaultSelectsNothing: no copy of mail-triage@9.9 runs on this host');
  expect(out).toContain('of-a-test: VOID');
}, 120_000);

test('what a killed run left frozen is taken back by abort, and no other run begins before', async () => {
  const file = experimentFile({
    steadyState: { errors: { of: 3 } },
    fault: { kind: 'freeze-serving', version: 'live', limit: '5m' },
    expect: { within: '2m', outcome: 'none' },
  });
  const { pid } = installation.copyOf('1.2');
  const frozen = (): boolean => / T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/, ')'));
  const child = start(['chaos', 'run', file, ...consent]);
  const ended = new Promise((resolve) => child.once('close', resolve));
  await until('the fault', frozen, 40_000);
  child.kill('SIGKILL');
  await ended;
  const state = join(installation.directory, 'data', 'chaos', 'run.json');
  expect(existsSync(state)).toBe(true);
  expect((await lastgood(['chaos', 'run', file, ...consent])).err).toContain('has left something behind');
  const aborted = await lastgood(['chaos', 'abort']);
  expect(aborted.code).toBe(0);
  expect(aborted.out).toContain('runs, or has ended');
  expect({ frozen: frozen(), left: existsSync(state) }).toEqual({ frozen: false, left: false });
  expect((await lastgood(['chaos', 'list'])).out).toMatch(/of-a-test: aborted, by /);
}, 180_000);
