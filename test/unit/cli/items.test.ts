import type { LedgerEntry } from '../../../domain/ledger';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { rolledBack, service, start } from './rollback-story';

const machine = { name: 'lastgood', proof: 'lastgood', from: 'items' } as const;
const list = `sha256:${'a'.repeat(64)}`;
const older = `sha256:${'b'.repeat(64)}`;
const counts = { found: 3, partly: 0, redone: 2, flushed: 0, flagged: 1, superseded: 0, gone: 0 };
const entry = (key: string, kind: LedgerEntry['kind'], facts: object, summary = key): LedgerEntry => ({
  ...{ service, key, at: start, kind, incident: 'i-1', actor: machine, summary },
  facts: facts as never,
});
const part = (previous: string | null, ...items: object[]): string =>
  [{ kind: 'treated', previous }, ...items].map((line) => `${JSON.stringify(line)}\n`).join('');

describe('lastgood items', () => {
  let rig: ApiRig;
  const ordered: unknown[] = [];

  beforeEach(async () => {
    ordered.length = 0;
    rig = new ApiRig(await rolledBack());
    rig.items = {
      progress: () => Promise.resolve(null),
      order: (_service, incident, { pipeline, order, actor }) =>
        Promise.resolve(void ordered.push([incident, pipeline, order, actor?.name])),
    };
    rig.pictures.set(
      list,
      part(older, { item: 'm-3', outcome: 'flagged', why: 'the model answered 422', version: null }),
    );
    rig.pictures.set(
      older,
      part(null, ...['m-1', 'm-2'].map((item) => ({ item, outcome: 'redone', why: null, version: '1.2' }))),
    );
    await rig.listen();
  });
  afterEach(async () => {
    await rig.close();
    removeTemporary();
  });

  async function treated(): Promise<void> {
    await rig.played.ledger.append(entry('began', 'items-began', {}, 'what 1.3 handled is treated in triage'));
    const guarantee = { kind: 'exactly-once', why: 'one transaction' };
    await rig.played.ledger.append(
      entry('treated', 'items-treated', { pipeline: 'triage', action: 'reprocess', counts, guarantee, list }),
    );
  }

  it('are none where no incident has any', async () => {
    expect((await rig.run('items', 'list', service)).out).toContain('no items of any incident are on record');
    expect((await rig.run('items', 'show', service, 'i-9')).code).toBe(1);
  });

  it('are listed by incident and shown by their ids, all or those of one outcome', async () => {
    await treated();
    expect((await rig.run('items', 'list', service)).out).toMatch(
      /i-1: what 1\.3 handled[^]*exactly once: one transaction/,
    );
    const { out } = await rig.run('items', 'show', service, 'i-1');
    expect(out).toMatch(/m-3 {2}flagged: the model answered 422[^]*m-1 {2}redone by 1\.2[^]*m-2 {2}redone by 1\.2/);
    const flagged = await rig.run('items', 'show', service, 'i-1', '--outcome', 'flagged', '--json');
    expect(
      flagged.out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { item: string }).item),
    ).toEqual(['m-3']);
  });

  it.each([
    ['an outcome that is none', ['show', service, 'i-1', '--outcome', 'lost'], '--outcome: found "lost"'],
    ['a pipeline without a list', ['show', service, 'i-1', '--pipeline', 'archive'], '--pipeline: found "archive"'],
    ['no reason', ['sign-off', service, 'i-1'], '--reason'],
    ['no pipeline to skip', ['skip', service, 'i-1', '--reason', 'r'], '--pipeline is missing'],
  ])('are not touched with %s', async (_, args, words) => {
    await treated();
    const before = rig.played.ledger.entries(service).length;
    const { code, err } = await rig.run('items', ...args);
    expect([code, err]).toEqual([64, expect.stringContaining(words)]);
    expect([ordered.length, rig.played.ledger.entries(service).length]).toEqual([0, before]);
  });

  it('are signed off and ordered about in the name of who does it', async () => {
    await treated();
    expect((await rig.run('items', 'sign-off', service, 'i-1', '--reason', 'looked')).code).toBe(0);
    const signed = rig.played.ledger.entries(service).at(-1);
    expect(signed).toMatchObject({
      kind: 'items-signed-off',
      actor: { name: 'alice' },
      facts: { pipelines: [{ list }] },
    });
    expect((await rig.run('items', 'list', service)).out).toContain('signed off by alice: looked');
    expect((await rig.run('items', 'skip', service, 'i-1', '--pipeline', 'triage', '--reason', 'replaced')).code).toBe(
      0,
    );
    expect(ordered).toEqual([['i-1', 'triage', 'skip', 'alice']]);
  });
});
