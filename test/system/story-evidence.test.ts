import { openSync, readFileSync } from 'node:fs';
import { Pool } from 'undici';
import { answerLookupSchema, type Answer } from '../../gateway/protocol';
import type { Installation } from '../support/installation';
import { deploy, forgive, moves, ofKind, standbyReady, startLight } from '../support/installation-story';
import { firstVerdicts, rowsAfter, watchInput } from '../support/installation-watch';
import { Load } from '../support/load';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

let installation: Installation;

beforeAll(async () => {
  const service = { session: { header: 'x-session-id', maxLifetime: '10m' } };
  installation = await startLight({ name: 'evidence', service });
  await deploy(installation, '1.1');
}, 120_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

/** All of them through the operator's look-up, some at a time. What is not known is left out. */
async function lookedUp(ids: readonly string[]): Promise<Map<string, Answer>> {
  const api = new Pool('http://local', { socketPath: installation.paths.apiSocket, connections: 8 });
  const found = new Map<string, Answer>();
  const waiting = [...ids];
  const work = async (): Promise<void> => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const { body } = await api.request({ method: 'GET', path: `/v1/answers/${encodeURIComponent(id)}` });
      const looked = answerLookupSchema.parse(await body.json());
      if (looked.known) found.set(id, looked.answer);
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
  await api.close();
  return found;
}

test('I14, I6: 10,000 requests across pins, a fallback and the rollback that follows it all resolve to the version whose process logged them', async () => {
  const { api } = installation;
  const sessions = 6;
  const load = new Load(installation.entrance, {
    clients: 16,
    pauseMs: 5,
    headers: (client): Record<string, string> => (client < sessions ? { 'x-session-id': `session-${client}` } : {}),
  });
  await until('1,000 requests on the first version', () => load.sent >= 1_000, 60_000);
  await deploy(installation, '1.2');
  const { live, standby } = await standbyReady(installation);
  expect({ live, standby }).toEqual({ live: '1.2', standby: '1.1' });
  // Opened now: the files of a copy that is gone may be removed.
  const logs = installation.copies().map(({ answersLog }) => openSync(answersLog, 'r'));
  const after = await api.ledgerHead();
  const before = load.sent;
  await until('1,000 requests with pins', () => load.sent >= before + 1_000, 60_000);
  process.kill(installation.copyOf('1.2').pid, 'SIGKILL');
  await api.entry('settled', after, ({ kind }) => kind === 'settled');
  await until('10,000 requests', () => load.sent >= 10_000, 120_000);
  const { answered, lost } = await load.stop();
  expect(lost).toEqual([]);
  expect(answered.filter(({ status }) => status !== 200)).toEqual([]);
  const entries = await api.ledger(after);
  expect(ofKind(entries, 'fallback-began')).toHaveLength(1);
  expect(moves(entries)).toEqual(['1.2→1.1']);

  const logged = new Map<string, Set<string>>();
  for (const line of logs.flatMap((log) => readFileSync(log, 'utf8').split('\n')).filter((each) => each !== '')) {
    const { requestId, version } = JSON.parse(line) as { requestId: string | null; version: string };
    if (requestId !== null) logged.set(requestId, (logged.get(requestId) ?? new Set()).add(version));
  }
  const known = await lookedUp(answered.map(({ id }) => id));
  const wrong = answered.filter(
    ({ id, version }) => known.get(id)?.version !== version || logged.get(id)?.has(version) !== true,
  );
  expect(wrong).toEqual([]);
  // Executed by the one that died before its answer was whole, and repeated on the fallback: what was in flight, no more.
  expect(answered.filter(({ id }) => logged.get(id)?.size !== 1).length).toBeLessThanOrEqual(16);
  const because = (version: string, reason: string): number =>
    [...known.values()].filter((answer) => answer.version === version && answer.reason === reason).length;
  for (const [version, reason] of [
    ['1.1', 'primary'],
    ['1.2', 'primary'],
    ['1.1', 'pin'],
    ['1.1', 'fallback'],
  ] as const)
    expect({ version, reason, answers: because(version, reason) }).not.toMatchObject({ answers: 0 });
}, 240_000);

test('a watch that is killed in the middle of its evidence gives the verdict that it would have given', async () => {
  const { api } = installation;
  await forgive(installation);
  const { live, standby } = await standbyReady(installation);
  const traffic = await installation.load({ perSecond: 20 });
  const after = await api.ledgerHead();
  await until('good answers', async () => (await traffic.tally()).answered >= 40);
  const input = await watchInput(installation);
  const brokenAt = Date.now();
  await installation.fault(live, { status: 500, share: 0.1 });
  await until('evidence, but no verdict', async () => (await traffic.tally()).failed >= 8, 30_000);
  const former = installation.kill('controller');
  const killedAt = Date.now();
  await installation.restarted('controller', former);
  const restartedAt = Date.now();
  const began = await api.entry('the verdict', after, ({ kind }) => kind === 'degradation-began', 60_000);
  await api.entry('settled', after, ({ kind }) => kind === 'settled');
  await until('answers of the target', async () => (await traffic.tally()).byVersion[standby]);
  const { tally, records } = await traffic.stop(200);

  const rows = await rowsAfter(installation, input.cursor);
  const [expected] = firstVerdicts(input, rows);
  const forgetful = { ...input, charts: {} };
  const [late] = firstVerdicts(
    forgetful,
    rows.filter((row) => row.fromMs >= killedAt),
  );
  expect(began.facts).toMatchObject({ metric: 'error-rate', version: live, id: expected?.id });
  expect(began.facts['id']).not.toBe(late?.id);
  expect(began.at).toBeGreaterThan(killedAt);
  const onsetAt = Number(began.facts['onsetAt']);
  expect(onsetAt).toBeGreaterThan(brokenAt - 2_000);
  expect(onsetAt).toBeLessThan(killedAt);
  // The row that decides is known; after it, or after the restart, a watch takes over within its heartbeat's 2 s.
  const decidedAt = rows.find(({ fromMs }) => expected?.id.endsWith(`/${fromMs}`))?.toMs ?? Infinity;
  expect(began.at - Math.max(decidedAt, restartedAt)).toBeLessThan(15_000);
  expect(moves(await api.ledger(after))).toEqual([`${live}→${standby}`]);
  // Nothing but what was made to fail.
  const failed = records.filter(({ status }) => status !== 200);
  expect(tally.dropped).toBe(0);
  expect(failed.map(({ status, version }) => ({ status, version }))).toEqual(
    failed.map(() => ({ status: 500, version: live })),
  );
}, 120_000);
