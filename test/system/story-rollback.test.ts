import type { Answer } from '../../gateway/protocol';
import { processFacts } from '../../adapters/disk/proc';
import { Installation } from '../support/installation';
import { deploy, moves, ofKind } from '../support/installation-story';
import type { RequestRecord } from '../support/installation-traffic';
import { removeTemporary } from '../support/temporary';

/** Real versions of mail-triage on real mail; labels 1 to 2 s late, so that the story fits into a minute. */
let installation: Installation;

beforeAll(async () => {
  installation = await Installation.start({
    name: 'story',
    models: 'real',
    service: { samples: { share: 0.5, maxCount: 2_000, maxAge: '1h' } },
    policy: {
      breaker: { consecutiveRollbacks: 2 },
      cooldown: '30m',
      detection: {
        minHistory: '5s',
        shortWindow: { every: '5s', window: '30s' },
        replay: { maxInputs: 300, budget: '5s' },
      },
    },
  });
  await installation.importReal('1.1', '1.2', '1.3');
  await installation.api.accepted('vouch', { version: '1.1' });
}, 120_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

function recallOf(records: readonly RequestRecord[], version: string, label: string): number {
  const of = records.filter((record) => record.version === version && record.truth === label);
  return of.filter((record) => record.label === label).length / of.length;
}

test('a release that loses one class is noticed, blamed on the model, and rolled back without a lost request', async () => {
  const { api } = installation;
  await deploy(installation, '1.2');
  const traffic = await installation.load({ perSecond: 50, labels: { minMs: 1_000, maxMs: 2_000 } });
  await api.whenState('a standby', ({ standby }) => standby?.version === '1.1' && standby.proof === 'ok', 40_000);
  await new Promise((resume) => setTimeout(resume, 10_000));
  const after = await api.ledgerHead();
  await api.accepted('deploy', { version: '1.3' });
  const settled = await api.entry('settled', after, ({ kind }) => kind === 'settled', 110_000);
  await new Promise((resume) => setTimeout(resume, 1_000));
  const { tally, records } = await traffic.stop(1_500);
  const entries = await api.ledger(after);

  expect({ failed: tally.failed, dropped: tally.dropped }).toEqual({ failed: 0, dropped: 0 });
  expect(moves(entries)).toEqual(['1.2→1.3', '1.3→1.2']);
  const began = ofKind(entries, 'degradation-began')[0];
  expect(String(began?.facts['metric'])).toMatch(/^(recall:bulk|accuracy)$/);
  expect(began?.facts).toMatchObject({ version: '1.3', attribution: 'model' });
  expect(settled.facts).toMatchObject({ from: '1.3', to: '1.2', cause: 'model' });
  const { versions, declared } = await api.whenState('a state', (state) => state);
  expect(declared?.primary).toBe('1.2');
  expect(versions.find(({ version }) => version === '1.3')?.standing).toBe('quarantined');
  // The users saw what was measured: one class worse, by the version that was rolled back from.
  expect(recallOf(records, '1.3', 'bulk')).toBeLessThan(recallOf(records, '1.2', 'bulk') - 0.05);
  expect(recallOf(records, '1.3', 'discussion')).toBeGreaterThan(0.93);
  // A minute in real time: onset, detection, decision, shift are in order.
  const at = (name: string): number => Number(settled.facts[name]);
  expect(at('onsetAt')).toBeLessThan(at('detectedAt'));
  expect(at('detectedAt')).toBeLessThanOrEqual(at('shiftedAt'));
  expect(at('shiftedAt')).toBeLessThanOrEqual(at('settledAt'));
  expect(await api.verification()).toMatchObject({ ok: true });

  // Every answer of every version can be asked for later.
  const answered = records.filter(({ requestId }) => requestId !== null);
  for (const version of ['1.2', '1.3']) {
    const record = answered.filter((one) => one.version === version).at(-1);
    const { status, body } = await api.get(`/v1/answers/${record?.requestId ?? ''}`);
    expect({ status, answer: (body as { answer: Answer }).answer }).toMatchObject({
      status: 200,
      answer: { version, id: record?.requestId, status: 200, class: record?.label },
    });
  }
}, 240_000);

test('what was rolled back from cannot be deployed again by mistake, and the copy that serves is alive', async () => {
  const refused = await installation.api.act('deploy', { version: '1.3' });
  expect(refused).toMatchObject({ decision: 'refused', why: expect.stringContaining('quarantined') as string });
  expect(processFacts(installation.copyOf('1.2').pid)).not.toBeNull();
}, 30_000);
