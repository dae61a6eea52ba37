import { renderAudit } from '../../../cli/render/audit';
import { renderExplanation } from '../../../cli/render/explain';
import { renderFindings } from '../../../cli/render/findings';
import { renderHistory, renderLiveThen } from '../../../cli/render/history';
import { liveThen } from '../../../domain/live-then';
import { renderAnswer, renderAnswersAt } from '../../../cli/render/which';
import { renderPrune, renderVerification, renderVersions } from '../../../cli/render/artifacts';
import { undecided } from '../../../cli/render/tiers';
import { metricValue, percent, shellWord, span, table } from '../../../cli/render/words';
import { whatToDo } from '../../../cli/render/what-to-do';
import { tellStory } from '../../../cli/story/incident-story';
import { foldPresent } from '../../../cli/story/present';
import type { Entry } from '../../../cli/types';
import type { InputFit } from '../../../domain/rollback/input-fit';
import { fine, unmeasured, wrong } from '../../../cli/checks/finding';
import { nodeVersion, procIsThere } from '../../../cli/checks/machine';
import { judgeChain } from '../../../cli/checks/temporal-chain';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { backendOf, bulkVerdict, digestOf, PlayedService, rolledBack, service, start, stored } from './rollback-story';

const alice = { name: 'alice', proof: 'unix-user', from: 'local socket' } as const;
const rigs: ApiRig[] = [];

/** What the command prints against the real interface, without the directory of the test. */
async function printed(played: PlayedService, ...args: string[]): Promise<string> {
  const rig = await new ApiRig(played).listen();
  rigs.push(rig);
  const { out, err } = await rig.run(...args);
  return (out + err).replaceAll(rig.directory, '/srv/lastgood');
}

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
  removeTemporary();
});

test('status after a rollback', async () => {
  expect(await printed(await rolledBack(), 'status')).toMatchSnapshot();
});

test('status while a service only observes, before anything is live', async () => {
  expect(await printed(await new PlayedService({ mode: 'observe' }).begun(), 'status')).toMatchSnapshot();
});

test('status with the breaker open says so, and gives the command with its epoch', async () => {
  const played = await breakerOpen();
  expect(await printed(played, 'status')).toMatchSnapshot();
});

test('status in the middle of a rollback names the step and how long it runs', async () => {
  const played = await degradedAndDecided();
  await played.step('validate', '1.2', 400);
  await played.report({ type: 'began', step: 'load', version: '1.2', deadlineAt: played.now + 300_000 });
  expect(await printed(played.after(12_000), 'status')).toMatchSnapshot();
});

test('status says once why estimates are undecided, and nothing where no reason is told', () => {
  const reading = { tier: 'short-window', kind: 'inconclusive', observed: 0.9, expected: 0.94, limit: null } as const;
  const about = { ...reading, samples: 300, at: start };
  const why = 'the inputs changed: input:language';
  expect(
    undecided([
      { ...about, metric: 'estimated-accuracy', why },
      { ...about, metric: 'estimated-precision:bulk', why },
      { ...about, metric: 'estimated-precision:ham', why: '12 answers of it are too few (50 needed)' },
      { ...about, metric: 'recall:bulk' },
    ]),
  ).toEqual([
    `estimated-accuracy and 1 other: ${why}`,
    'estimated-precision:ham: 12 answers of it are too few (50 needed)',
  ]);
});

test('explain of a rollback that settled', async () => {
  expect(await printed(await rolledBack(), 'explain')).toMatchSnapshot();
});

test('explain of one whose first candidate failed and that waits for a person', async () => {
  const played = await degradedAndDecided();
  await played.childEntry('candidate-dropped', '1.2 failed at validate: weights.safetensors: truncated', {
    version: '1.2',
    step: 'validate',
    why: 'weights.safetensors: truncated',
  });
  await played.report({
    type: 'dropped',
    version: '1.2',
    step: 'validate',
    why: 'weights.safetensors: truncated',
    next: null,
  });
  await played.report({ type: 'waiting', step: 'validate', why: 'no candidate is left', primary: '1.3' });
  expect(await printed(played, 'explain')).toMatchSnapshot();
});

test('explain of a degradation that the environment caused, which opened no incident', async () => {
  const played = await live();
  await played.degraded(bulkVerdict, 'environment', ['changed at the same onset: gpu0 throttles']);
  expect(await printed(played, 'explain')).toMatchSnapshot();
});

test('explain of a rollback by hand names the person, and finds it by the name of the operation', async () => {
  const played = await live();
  await played.message({ name: 'rollback', requestId: 'r1', reason: 'customers complain', actor: alice });
  await played.operation('1.2', 'rollback');
  expect(await printed(played, 'explain', 'manual-3')).toMatchSnapshot();
});

test('the second rollback in a row: explain says that the breaker is open and what to do', async () => {
  expect(await printed(await breakerOpen(), 'explain')).toMatchSnapshot();
});

test('explain of a target chosen for the inputs of now lists each version with its figures', async () => {
  const played = await live({ target: { order: 'closest-profile' } });
  await inputsOfNow(played, 0.41, 0.03);
  await played.degraded();
  expect(await printed(played.after(300), 'explain')).toMatchSnapshot();
});

test('where no version fits the inputs of now, explain and status say so and what the person who is asked should do', async () => {
  const played = await live({ target: { order: 'closest-profile' } });
  await inputsOfNow(played, 0.41, 0.77);
  await played.degraded();
  expect(await printed(played.after(300), 'explain')).toMatchSnapshot();
  const status = await printed(played, 'status');
  expect(status).toContain('needs a human');
  const dryRun = await printed(played, 'rollback', service, '--reason', 'why', '--dry-run');
  expect(dryRun).toContain('1.2: was live and judged good; differs from the inputs of now (PSI 0.41 at most');
  expect(dryRun).toContain('then 1.1: validated, never live; differs');
});

test('a ledger of an older release is explained without figures', async () => {
  const played = await new PlayedService({}, 1).begun();
  await played.after(1_000).deployed('1.2');
  await played.after(1_000).deployed('1.3');
  await played.after(1_000).degraded();
  const text = await printed(played.after(300), 'explain');
  expect(text).toContain('1. 1.2: was live and judged good');
  expect(text).not.toContain('PSI');
});

/** The controller has compared the profiles of 1.2 and 1.1 with what is asked now; that of 1.3 says nothing. */
async function inputsOfNow(played: PlayedService, last: number, older: number): Promise<void> {
  const fit = (distance: number): InputFit => ({
    distance,
    field: 'text#length',
    mean: distance / 4,
    n: 240,
    at: played.now - 60_000,
  });
  const versions = [
    stored('1.1', 1, { fit: fit(older) }),
    stored('1.2', 2, { fit: fit(last) }),
    stored('1.3', 3, { fit: 'no-profile' }),
  ];
  await played.apply({ type: 'versions-listed', versions });
}

test('history shows decisions, not bookkeeping, and each shift once', async () => {
  const shown = await printed(await rolledBack(), 'history');
  expect(shown).toMatchSnapshot();
  expect(shown.match(/traffic-shifted/g)).toHaveLength(3);
});

test('history --at tells which version was live, by whose decision, also between two deploys', async () => {
  const played = await rolledBack();
  expect(await printed(played, 'history', '--at', '2026-11-23 10:30')).toMatchSnapshot();
  expect(await printed(played, 'history', '--at', '2026-11-23 11:00:20')).toMatchSnapshot();
  expect(await printed(played, 'history', '--at', '2026-11-23')).toMatchSnapshot();
  expect(await printed(played, 'history', '--at', '2025-01-01')).toMatchSnapshot();
});

test('history --at says when the router served by its fallback, until a higher epoch ended that', async () => {
  const played = await live();
  const epoch = played.state.declared?.epoch ?? 0;
  await played.apply({
    type: 'route-observed',
    report: {
      at: played.now,
      observed: {
        record: played.state.declared,
        floor: 0,
        fallback: { version: '1.2', since: played.now, epoch, reason: 'no backend of 1.3 accepts connections' },
        pinned: {},
      },
    },
  });
  const then = liveThen(service, played.now + 1, played.ledger.entries(service));
  expect(renderLiveThen(then).join('\n')).toContain('but the router served by its fallback 1.2 since');
  const before = liveThen(service, played.now - 1, played.ledger.entries(service));
  expect(renderLiveThen(before).join('\n')).not.toContain('fallback');
});

test('an entry of an older release without its facts is told as far as it goes', () => {
  const bare = (kind: Entry['kind'], seq: number): Entry => ({
    service,
    key: `k${seq}`,
    at: start + seq,
    kind,
    incident: 'i-1',
    actor: { name: 'lastgood', proof: 'lastgood', from: '' },
    summary: `${kind} happened`,
    facts: {},
    seq,
    previousHash: '',
    hash: '',
  });
  const entries = [bare('rollback-decided', 1), bare('settled', 2)];
  const lines = renderExplanation(tellStory('i-1', entries), foldPresent(entries), start);
  expect(lines.join('\n')).toContain('rollback-decided happened');
  expect(renderHistory(entries, false)).toHaveLength(3);
});

const told = (kind: Entry['kind'], seq: number, facts: Entry['facts'] = {}): Entry => ({
  service,
  key: `k${seq}`,
  at: start + seq,
  kind,
  incident: null,
  actor: { name: 'lastgood', proof: 'lastgood', from: '' },
  summary: `${kind} happened`,
  facts,
  seq,
  previousHash: '',
  hash: '',
});

test('explain of a deploy that was not made says so, and not that a person is waited for', () => {
  const waiting = told('waiting-for-human', 1, { step: 'validate', operation: 'deploy-5' });
  const ended = [waiting, told('deploy-refused', 2)];
  const todo = (entries: readonly Entry[]): string =>
    whatToDo(tellStory('deploy-5', entries), foldPresent(entries)).join('\n');
  expect(todo([waiting])).toContain('lastgood intervene deploy-5 retry');
  expect(tellStory('deploy-5', ended).outcome).toBe('not deployed');
  expect(todo(ended)).toContain('what served before serves');
  expect(todo(ended)).not.toContain('intervene');
});

test('explain of a hold names only a way that there is', () => {
  const todo = (facts: Entry['facts']): string => {
    const entries = [told('rollback-held', 1, facts)];
    return whatToDo(tellStory('degradation', entries), foldPresent(entries)).join('\n');
  };
  expect(todo({ would: null, held: 'mode observe: lastgood only watches' })).toContain('lastgood artifacts import');
  expect(todo({ would: '1.1', held: 'mode observe: lastgood only watches' })).toMatch(
    /^lastgood only watches\. To act now/,
  );
  expect(todo({ would: '1.1', held: 'cooldown until 10:30' })).toMatch(/^It is decided again when the hold ends/);
});

test('which: a known answer, an unknown one, and a minute', () => {
  const answer = {
    at: start + 412,
    id: 'req-7',
    service,
    version: '1.2',
    digest: digestOf('1.2'),
    instance: backendOf('1.2').instance,
    epoch: 65,
    reason: 'fallback' as const,
    status: 200,
    ms: 7.42,
    class: 'bulk',
    score: 0.91,
  };
  const gaps = [{ fromMs: start, toMs: start + 30_000, why: 'the gateway was killed' }];
  const versions = [{ version: '1.2', digest: digestOf('1.2'), epoch: 65, reason: 'primary', answers: 3012 }];
  expect(
    [
      ...renderAnswer('req-7', { known: true, answer }),
      ...renderAnswer('req-8', { known: false, why: 'no line has this id', gaps }),
      ...renderAnswersAt(service, { at: start, versions, gaps }),
      ...renderAnswersAt(service, { at: start, versions: [], gaps: [] }),
    ].join('\n'),
  ).toMatchSnapshot();
});

test('artifacts, audit and findings', () => {
  const info = {
    service,
    version: '1.2',
    digest: digestOf('1.2'),
    importedAt: start,
    evaluation: { accuracy: 0.96, n: 1800, byClass: {} },
    probes: 8,
    bytes: 6_421_009,
    standing: 'validated',
  };
  const problems = [
    { path: 'weights.safetensors', problem: 'truncated', expected: '6291552 bytes', found: '4096 bytes' },
  ];
  expect(
    [
      ...renderVersions([info, { ...info, version: '1.3', standing: null, evaluation: null }], false),
      ...renderVerification([
        { name: 'mail-triage@1.2', problems: [] },
        { name: 'mail-triage@1.3', problems },
      ]),
      ...renderPrune(
        service,
        { removed: [{ version: '1.0', bytes: 2048 }], kept: [{ version: '1.2', why: 'in use' }], freedBytes: 2048 },
        true,
      ),
      ...renderAudit([
        {
          service,
          chain: { ok: false, entries: 57, breaks: [{ seq: 12, problem: 'its content is not that of its hash' }] },
          anchors: {
            file: '/a',
            checked: 2,
            newestAt: start,
            wrong: ['entry 58 was there and is gone: the tail was cut'],
          },
        },
      ]),
      ...renderFindings([
        fine('Node', '20.19.0'),
        wrong('disk', '12 MiB free', 'make room'),
        unmeasured('chain of activities', 'no Temporal is configured'),
      ]),
    ].join('\n'),
  ).toMatchSnapshot();
});

test('an old Node, a missing /proc and a slow Temporal are findings with a remedy', () => {
  expect(nodeVersion('20.18.3')).toMatchObject({ level: 'wrong', said: 'found 20.18.3, expected at least 20.19' });
  expect(nodeVersion('20.19.0').level).toBe('ok');
  expect(nodeVersion('22.1.0').level).toBe('ok');
  expect(procIsThere(false).remedy).toContain('runtime: external');
  expect(judgeChain(400, 0.5).level).toBe('ok');
  expect(judgeChain(1_600, 7)).toMatchObject({ level: 'not measured' });
  expect(judgeChain(1_600, 0.5).remedy).toContain('history.transferProcessorMaxPollRPS');
});

test('words: spans, rates, tables and shell words', () => {
  expect([0, 340, 1_400, 45_000, 59_960, 200_000, 3_600_000, 7_500_000, 400_000_000].map(span)).toEqual([
    '0 ms',
    '340 ms',
    '1.4 s',
    '45 s',
    '1 min',
    '3 min 20 s',
    '1 h',
    '2 h 5 min',
    '5 days',
  ]);
  expect([0, 0.00052, 0.0742, 0.93, 1].map(percent)).toEqual(['0 %', '0.052 %', '7.4 %', '93.0 %', '100 %']);
  expect(metricValue('latency-p95', 12.3456)).toBe('12.3 ms');
  expect(metricValue('recall:bulk', null)).toBe('–');
  expect(
    table([
      ['a', 'bb', ''],
      ['ccc', 'd', 'e'],
    ]),
  ).toEqual(['a    bb', 'ccc  d   e']);
  expect(shellWord("it's")).toBe(`'it'\\''s'`);
});

/** 1.2, then 1.3 over it. */
async function live(policy: object = {}): Promise<PlayedService> {
  const played = await new PlayedService(policy).begun();
  await played.after(1_000).deployed('1.2');
  played.now = start + 3_598_000;
  await played.deployed('1.3');
  played.now = start + 3_639_000;
  return played;
}

async function degradedAndDecided(): Promise<PlayedService> {
  const played = await live();
  await played.degraded();
  return played.after(300);
}

/** Two automatic rollbacks in a row, nobody vouched for anything. */
async function breakerOpen(): Promise<PlayedService> {
  const played = await rolledBack({ cooldown: '1m' });
  await played.after(61_000).apply({ type: 'tick' });
  const onset = played.now - 30_000;
  await played.degraded(
    { ...bulkVerdict, onsetMs: onset, onsetLowMs: onset - 4_000, onsetHighMs: onset + 4_000, sinceMs: onset },
    'model',
    undefined,
    'v2',
  );
  await played.after(300).operation('1.1', 'rollback');
  return played.after(2_000);
}
