import type { LedgerEntry } from '../../../domain/ledger';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { rolledBack, service, type PlayedService } from './rollback-story';

const minute = 60_000;
const day = 86_400_000;
const rigs: ApiRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
  removeTemporary();
});

let entryNo = 0;
async function entry(
  { ledger }: PlayedService,
  at: number,
  incident: string | null,
  kind: LedgerEntry['kind'],
  facts: LedgerEntry['facts'],
): Promise<void> {
  entryNo += 1;
  const actor = { name: 'lastgood', proof: 'lastgood', from: 'service workflow' } as const;
  await ledger.append({ service, key: `exposure/${entryNo}`, at, kind, incident, actor, summary: kind, facts });
}

/** Seconds of each part, as the decider writes them down when a rollback has settled. */
async function incident(
  played: PlayedService,
  id: string,
  onsetAt: number,
  seconds: { detect: number; load: number | null; tier?: string | null },
): Promise<void> {
  const detectedAt = onsetAt + seconds.detect * 1000;
  const decidedAt = detectedAt + 100;
  const preparedAt = decidedAt + 1000 + (seconds.load ?? 0) * 1000;
  const [shiftedAt, settledAt] = [preparedAt + 200, preparedAt + 2_200];
  await entry(played, decidedAt, id, 'rollback-decided', {});
  if (seconds.load !== null)
    await entry(played, preparedAt, id, 'step-succeeded', { step: 'load', version: '1.2', ms: seconds.load * 1000 });
  const tier = seconds.tier === undefined ? 'short-window' : seconds.tier;
  const facts = { tier, onsetAt, detectedAt, decidedAt, preparedAt, shiftedAt, settledAt };
  await entry(played, settledAt, id, 'settled', facts);
}

async function run(played: PlayedService, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const rig = await new ApiRig(played).listen();
  rigs.push(rig);
  return await rig.run('exposure', ...args);
}

async function tenIncidents(): Promise<PlayedService> {
  const played = await rolledBack();
  for (let index = 0; index < 5; index++) {
    await incident(played, `cold-${index}`, played.now + index * day, { detect: 600 + 60 * index, load: 20 + index });
    await incident(played, `warm-${index}`, played.now + index * day + minute * 60, { detect: 720, load: null });
  }
  return played.after(6 * day);
}

test('each part has p50, p99 and n by tier, and the gains are estimates with their n', async () => {
  const { code, out } = await run(await tenIncidents());
  expect(code).toBe(0);
  expect(out).toMatchSnapshot();
});

test('the figures for programs are milliseconds', async () => {
  const { out } = await run(await tenIncidents(), service, '--since', '6d', '--json');
  const [found] = (JSON.parse(out) as { services: { incidents: number; tiers: unknown[]; gains: unknown[] }[] })
    .services;
  // The incident of the played story began earlier than six days ago.
  expect(found).toMatchObject({ incidents: 10, unsettled: 0, leftOut: 0 });
  expect(found?.tiers).toMatchObject([
    { tier: 'short-window', parts: { detect: { n: 10, p50: 720_000 }, shift: { n: 10, p50: 200, p99: 200 } } },
  ]);
  // Cold ones took 21 to 25 s to prepare, warm ones 1 s: a standby spares 22 s at the median, half the load is 11 s.
  expect(found?.gains).toMatchObject([
    { by: 'shorter-window', n: 10, gainMs: 360_000 },
    { by: 'warm-standby', n: 5, gainMs: 22_000 },
    { by: 'faster-load', n: 5, gainMs: 11_000 },
  ]);
});

test('with too few incidents no gain is named, and a part without its moments is not known', async () => {
  const { out } = await run(await rolledBack());
  expect(out).toContain('mail-triage: 1 incident since');
  expect(out).toContain('too few to say (1 incident, from 5 on)');
  expect(out).not.toMatch(/\(n = /);
});

test('a rollback by hand, one that did not settle, and a second settling of one incident stand in no figure', async () => {
  const played = await rolledBack();
  await incident(played, 'by-hand', played.now, { detect: 0, load: 5, tier: null });
  await entry(played, played.now, 'open', 'rollback-decided', {});
  const hold = { tier: 'short-window', onsetAt: 0, detectedAt: played.now, settledAt: played.now };
  await entry(played, played.now, '20261123-1', 'settled', hold);
  const { out } = await run(played, '--json');
  expect(JSON.parse(out)).toMatchObject({
    services: [{ incidents: 1, unsettled: 1, tiers: [{ parts: { detect: { n: 1, p50: 34_000 } } }] }],
  });
});

/** Two mirrored drills and a live one that passed, and two that did not. */
async function drills(played: PlayedService): Promise<void> {
  const drill = (id: string, way: string, outcome: string, detectMs: number): Promise<void> => {
    const onsetAt = played.now - day;
    const times = { onsetAt, detectedAt: onsetAt + detectMs, decidedAt: onsetAt + detectMs + 100 };
    const later = { shiftedAt: times.decidedAt + 300, restoredAt: times.decidedAt + 800 };
    const facts = { drill: id, way, version: '1.3', outcome, why: 'a test', ...times, ...later };
    return entry(played, played.now - day + 100_000, null, 'drill-ended', facts);
  };
  await drill('a', 'mirror', 'passed', 2_000);
  await drill('b', 'mirror', 'passed', 4_000);
  await drill('c', 'live', 'passed', 10_000);
  await drill('d', 'live', 'failed', 90_000);
  await drill('e', 'mirror', 'unmeasured', 0);
}

test('drills that passed are timed by their way, and change no figure of an incident', async () => {
  const without = JSON.parse((await run(await tenIncidents(), '--json')).out) as { services: object[] };
  const played = await tenIncidents();
  await drills(played);
  const found = JSON.parse((await run(played, '--json')).out) as { services: { drills: unknown }[] };
  const [{ drills: counted, ...rest } = { drills: null }] = found.services;
  expect(counted).toMatchObject({
    others: 2,
    leftOut: 0,
    ways: [
      { way: 'live', drills: 1, parts: { detect: { n: 1, p50: 10_000 }, restore: { p50: 500 } } },
      { way: 'mirror', drills: 2, parts: { detect: { n: 2, p50: 3_000 } }, exposed: { n: 2, p50: 3_900 } },
    ],
  });
  expect(without.services).toEqual([{ ...rest, drills: { ways: [], others: 0, leftOut: 0 } }]);
  const { out } = await run(played);
  expect(out).toContain('Drills: 3 passed; 2 other ones did not pass, in no figure');
  expect(out).toMatch(/mirror: 2 drills\n.*\n\s+detect +3 s +4 s +2\n/);
  expect((await run(played, '--since', '1h')).out).not.toContain('Drills');
});

test('nothing on record is said, and a wrong service or time ends with 64', async () => {
  const played = (await rolledBack()).after(60 * day);
  expect((await run(played)).out).toContain('nothing to time yet');
  expect(await run(played, 'nobody')).toMatchObject({ code: 64, err: expect.stringContaining('nobody') as string });
  expect((await run(played, '--since', 'soon')).err).toContain('--since: found "soon", expected a duration');
});
