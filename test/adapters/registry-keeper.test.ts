import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Decisions } from '../../api/ports';
import type { LedgerEntry } from '../../domain/ledger';
import { openAdapters, type Adapters } from '../../workers/composition';
import { loadConfiguration } from '../../workers/configuration/load';
import { runPaths } from '../../workers/embedded/paths';
import { keepRegistries } from '../../workers/registry-keeper';
import { FakeMlflow } from '../support/fake-mlflow';
import { until } from '../support/poll';
import { versionFiles } from '../support/registries';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

interface Rig {
  readonly fake: FakeMlflow;
  readonly adapters: Adapters;
  readonly entries: LedgerEntry[];
  readonly told: string[];
  standing: string;
  /** Begins anew, as a controller does that was restarted. */
  begin(): void;
  end(): Promise<void>;
  stop(): Promise<void>;
}

const running: Rig[] = [];
afterEach(async () => {
  for (const rig of running.splice(0)) await rig.stop();
});
afterAll(removeTemporary);

/** The keeper as the controller runs it, with a look each 10 s, which a test does not wait for. */
async function keep(prepare: (fake: FakeMlflow) => void, standing = 'validated'): Promise<Rig> {
  const fake = await FakeMlflow.start();
  prepare(fake);
  const directory = temporaryDirectory('keeper');
  const file = join(directory, 'lastgood.yaml');
  writeFileSync(
    file,
    `services:
  mail:
    model: mail
    serving: { runtime: process, command: ['/usr/bin/env', '{report}'] }
    registry: { kind: mlflow, url: '${fake.url}', every: 10s }
`,
  );
  const configuration = loadConfiguration(file);
  const failed: string[] = [];
  const adapters = await openAdapters(
    configuration,
    runPaths(configuration.dataDir),
    { path: '', inherited: {} },
    (_service, version, fault) => failed.push(`${version}: ${String(fault)}`),
  );
  const entries: LedgerEntry[] = [];
  const told: string[] = failed;
  const rig = { standing };
  const decisions = {
    status: async () => ({ state: { versions: [{ version: 'v1', standing: rig.standing }] } }),
    artifactsChanged: async (service: string) => void told.push(`changed: ${service}`),
  } as unknown as Decisions;
  let stopping = new AbortController();
  let kept = Promise.resolve();
  const append = async (entry: LedgerEntry): Promise<void> => void entries.push(entry);
  const begin = (): void => {
    stopping = new AbortController();
    kept = keepRegistries({
      ...{ configuration, adapters, decisions, signal: stopping.signal, log: pino({ level: 'silent' }) },
      leadership: { leads: () => true },
      ledger: { append } as unknown as Parameters<typeof keepRegistries>[0]['ledger'],
    });
  };
  const end = async (): Promise<void> => {
    stopping.abort();
    await kept;
  };
  begin();
  const made: Rig = Object.assign(rig, {
    fake,
    adapters,
    entries,
    told,
    begin,
    end,
    stop: async () => {
      await end();
      await adapters.close();
      await fake.close();
    },
  });
  running.push(made);
  return made;
}

it('the controller brings the newest validated versions in by itself, and tells the service', async () => {
  const rig = await keep((fake) => {
    for (let at = 1; at <= 5; at++) fake.add(at, versionFiles(String(at)), at === 2 ? { aliases: ['champion'] } : {});
  });
  await until('the service to be told', () => rig.told.includes('changed: mail'), 15_000);
  expect((await rig.adapters.versions.list('mail')).map(({ version }) => version)).toEqual(['v3', 'v4', 'v5']);
  expect(rig.entries).toEqual([]);
  // Nothing that a rollback needs is at the registry any more.
  await rig.fake.close();
  for (const version of ['v3', 'v4', 'v5']) {
    expect(await rig.adapters.versions.verify('mail', version)).toEqual([]);
    expect((await rig.adapters.versions.materialise('mail', version)).digest).toMatch(/^sha256:/);
  }
  await rig.adapters.versions.annotate('mail', 'v5', { at: 1, text: 'rolled back from' });
  expect(rig.told.at(-1)).toMatch(/^v5: RegistryUnreachable/);
  expect(await rig.adapters.store.notes('mail', 'v5')).toContainEqual({ at: 1, text: 'rolled back from' });
});

it('a promotion at the registry is an entry in the ledger, and a quarantine here a tag there', async () => {
  const rig = await keep((fake) => {
    fake.add(1, versionFiles('1'), { aliases: ['champion'] });
    fake.add(2, versionFiles('2'));
  });
  await until('the first look', () => rig.told.includes('changed: mail'), 15_000);
  await rig.end();
  const old = rig.fake.versions.get(1);
  rig.fake.add(1, versionFiles('1'), { tags: old?.tags ?? {} });
  rig.fake.add(2, versionFiles('2'), { aliases: ['champion'] });
  rig.standing = 'quarantined';
  rig.begin();
  await until('the standing at the registry', () => old?.tags['lastgood.standing'] === 'quarantined', 15_000);
  expect(rig.entries).toEqual([
    expect.objectContaining({
      service: 'mail',
      kind: 'foreign-change',
      actor: { name: 'registry', proof: 'external', from: `MLflow at ${rig.fake.url}, model mail` },
      summary: 'at the registry @champion moved from v1 to v2; what serves stays as it is',
      facts: expect.objectContaining({ alias: 'champion', from: 'v1', to: 'v2' }),
    }),
  ]);
});

it('a quarantined version is not brought back, and does not count as one that is kept', async () => {
  const rig = await keep((fake) => {
    for (let at = 1; at <= 4; at++) fake.add(at, versionFiles(String(at)));
  }, 'quarantined');
  await until('the service to be told', () => rig.told.includes('changed: mail'), 15_000);
  expect((await rig.adapters.versions.list('mail')).map(({ version }) => version)).toEqual(['v2', 'v3', 'v4']);
});
