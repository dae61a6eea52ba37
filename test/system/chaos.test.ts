import { spawn } from 'node:child_process';
import { join } from 'node:path';
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
}, 120_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function lastgood(args: readonly string[], failpoints = true): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const program = join(distDirectory(), 'cli', 'lastgood.js');
    const config = ['--config', join(installation.directory, 'lastgood.yaml')];
    const child = spawn(process.execPath, [program, ...args, ...config], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(failpoints ? { LASTGOOD_FAILPOINTS: installation.failpointDirectory } : {}) },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (err += piece.toString()));
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
  60_000,
);
