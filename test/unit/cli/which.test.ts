import type { AnswersAt } from '../../../api/types';
import { provenanceOf, type AnswerReason } from '../../../domain/provenance';
import type { ChainedEntry } from '../../../domain/ledger';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { digestOf, rolledBack, service, stored, type PlayedService } from './rollback-story';

const rigs: ApiRig[] = [];
afterAll(async () => {
  for (const rig of rigs) await rig.close();
  removeTemporary();
});

async function rigOf(played: PlayedService): Promise<ApiRig> {
  const rig = await new ApiRig(played).listen();
  rigs.push(rig);
  return rig;
}

type Answered = Pick<AnswersAt['versions'][number], 'version'> & { readonly reason: AnswerReason };

function answers(rig: ApiRig, at: number, answered: Answered): void {
  const { version, reason } = answered;
  const known = { service, version, digest: digestOf(version), instance: `${service}@${version}#s1`, epoch: 1, reason };
  const answer = { at, id: 'r-1', ...known, status: 200, ms: 12, class: 'bulk', score: 0.9 };
  const versions = [{ version, digest: known.digest, reason, epoch: 1, answers: 7 } as AnswersAt['versions'][number]];
  rig.answers = { lookup: { known: true, answer }, at: { at, versions, gaps: [] } };
}

const alice = { name: 'alice', proof: 'unix-user', from: 'local socket' } as const;

async function vouchedFor(): Promise<PlayedService> {
  const played = await rolledBack();
  const message = { requestId: 'v1', actor: alice, reason: 'read 200 answers', dryRun: false };
  await played.message({ ...message, name: 'vouch', version: '1.2' });
  played.now += 60_000;
  return played;
}

test('of an answer: the decision that made its version live, its metric, who took it, who vouched, the report and the thresholds', async () => {
  const rig = await rigOf(await vouchedFor());
  const evaluation = { path: 'evaluation.json', digest: `sha256:${'e'.repeat(64)}`, text: '{}' };
  rig.proofs.set('1.2', { version: '1.2', digest: digestOf('1.2'), manifest: '{}', evaluation });
  rig.stored = [
    {
      ...stored('1.2', 2),
      createdAt: 0,
      engine: 'open-inference',
      external: [],
      bytes: 1,
    } as (typeof rig.stored)[number],
  ];
  answers(rig, rig.played.now, { version: '1.2', reason: 'primary' });
  const { code, out } = await rig.run('which', 'r-1');
  expect(code).toBe(0);
  expect(out).toContain('mail-triage@1.2 answered r-1');
  expect(out).toMatch(/decided: roll back from 1\.3 to 1\.2 \(standard\)/);
  expect(out).toMatch(
    /by lastgood \(lastgood, service workflow\) at .*, entry \d+; lastgood explain 20261123-1 --service mail-triage/,
  );
  expect(out).toContain('on recall:bulk 78.0 %, expected 93.0 %, limit 85.0 %, 45 samples');
  expect(out).toContain('vouched for: vouches for 1.2, by alice: read 200 answers');
  expect(out).toMatch(/evaluation: accuracy 96\.0 % on 1800, met the policy then \(entry \d+\)/);
  expect(out).toContain('thresholds today: accuracy at least 80.0 %, recall of each class at least 60.0 %: met');
  expect(out).toContain(`report: evaluation.json ${evaluation.digest}`);
  const json = JSON.parse((await rig.run('which', 'r-1', '--json')).out) as { provenance: { decision: ChainedEntry } };
  expect(json.provenance.decision).toMatchObject({ kind: 'rollback-decided', actor: { name: 'lastgood' } });
  expect(json).toMatchObject({ known: true, provenance: { vouched: [{ actor: alice }], judged: { ok: true } } });
});

test('an answer of a session that stayed on an older version names the deploy of that version, and what was live meanwhile', async () => {
  const rig = await rigOf(await rolledBack());
  answers(rig, rig.played.now, { version: '1.3', reason: 'pin' });
  const { out } = await rig.run('which', 'r-1');
  expect(out).toContain('decided: alice deploys 1.3 over 1.2: release 1.3');
  expect(out).toContain('by alice (unix-user, local socket)');
  expect(out).toContain('1.2 was live at that moment');
  expect(out).toContain('vouched for: by nobody');
});

test('an answer of the fallback names who let the router use it, and its begin', async () => {
  const played = await rolledBack();
  const epoch = played.state.declared?.epoch ?? 0;
  const { declared } = played.state;
  const fallback = { version: '1.1', since: played.now, epoch, reason: 'no backend of 1.2 accepts connections' };
  const observed = { record: declared, floor: 0, fallback, pinned: {} };
  await played.apply({ type: 'route-observed', report: { at: played.now, observed } });
  const rig = await rigOf(played);
  answers(rig, played.now + 1, { version: '1.1', reason: 'fallback' });
  played.now += 60_000;
  const { out } = await rig.run('which', 'r-1');
  expect(out).toContain("mail-triage@1.1: the router's fallback, while 1.2 was the live version");
  expect(out).toContain('and used: the router serves by the fallback 1.1');
});

test('a moment without answers on record still has what was live by the ledger, and ends with 1', async () => {
  const rig = await rigOf(await rolledBack());
  rig.answers = { lookup: { known: false, why: '', gaps: [] }, at: { at: rig.played.now, versions: [], gaps: [] } };
  const { code, out } = await rig.run('which', '--service', service, '--at', '2026-11-23 10:30');
  expect(code).toBe(1);
  expect(out).toContain('unknown: no answer is on record in that minute');
  expect(out).toContain('decided: alice deploys 1.2: release 1.2');
});

test('a day has every version that was live on it, oldest first, each with its decision', async () => {
  const rig = await rigOf(await rolledBack());
  const { code, out } = await rig.run('which', '--day', '2026-11-23');
  expect(code).toBe(0);
  const decided = out.split('\n').filter((line) => line.startsWith('  decided: '));
  expect(decided.map((line) => line.slice(11, 33))).toEqual([
    'alice deploys 1.2: rel',
    'alice deploys 1.3 over',
    'roll back from 1.3 to ',
  ]);
  const json = JSON.parse((await rig.run('which', '--day', '2026-11-23', '--json')).out) as { versions: object[] };
  expect(json.versions).toHaveLength(3);
  expect((await rig.run('which', '--day', '2025-01-01')).code).toBe(1);
  expect((await rig.run('which', '--day', 'yesterday')).code).toBe(64);
});

test('with no decider and no store the ledger part is told, and what is not known', async () => {
  const rig = await rigOf(await rolledBack());
  rig.decisionsDown = true;
  answers(rig, rig.played.now, { version: '1.2', reason: 'primary' });
  const { out } = await rig.run('which', 'r-1');
  expect(out).toContain('decided: roll back from 1.3 to 1.2');
  expect(out).toContain("not known: the policy's thresholds: who decides does not answer");
  expect(out).toContain('not known: the artifact store has no intact 1.2');
});

describe('what lets a version answer beside the primary', () => {
  const entry = (
    seq: number,
    kind: ChainedEntry['kind'],
    facts: ChainedEntry['facts'],
    summary = 's',
  ): ChainedEntry => ({
    ...{ service, key: `k${seq}`, at: seq, incident: null, actor: alice, seq, previousHash: '', hash: '' },
    ...{ kind, facts, summary },
  });
  const route = (primary: string, more: object = {}): ChainedEntry['facts'] => ({
    changes: { route: { primary, epoch: 1, ...more } },
  });
  const chain = [
    entry(1, 'traffic-shifted', route('1.2')),
    entry(2, 'deploy-decided', { operation: 'deploy-2', epochs: '2..33' }),
    entry(3, 'traffic-shifted', { ...route('1.2', { share: { version: '1.3', weight: 0.1 } }), operation: 'deploy-2' }),
    entry(4, 'drill-decided', { drill: 'd1' }),
    entry(5, 'drill-shared', {
      ...route('1.2', { share: { version: '1.1', drill: 'd1' } }),
      drill: 'd1',
      version: '1.1',
    }),
    entry(6, 'operator-act', { act: 'vouch' }, 'vouches for 1.3, by alice: seen'),
    entry(7, 'operator-act', { act: 'revoke' }, 'revokes 1.3, by alice: wrong'),
  ];
  const seqs = (entries: readonly ChainedEntry[]): number[] => entries.map(({ seq }) => seq);

  test('a share has the decision of its operation', () => {
    expect(seqs(provenanceOf(service, 5, chain, { version: '1.3', reason: 'share' }).because)).toEqual([2, 3]);
  });

  test('a drill has its own', () => {
    expect(seqs(provenanceOf(service, 5, chain, { version: '1.1', reason: 'drill' }).because)).toEqual([4, 5]);
  });

  test('who vouched counts until it is revoked, and nothing counts that came later than the answer', () => {
    const vouched = (at: number): number[] =>
      seqs(provenanceOf(service, at, chain, { version: '1.3', reason: 'share' }).vouched);
    expect([vouched(5), vouched(6), vouched(7)]).toEqual([[], [6], []]);
  });
});
