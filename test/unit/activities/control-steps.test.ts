import { ApplicationFailure } from '@temporalio/activity';
import { controlActivities, type ControlPorts } from '../../../activities';
import type { Alert } from '../../../activities/ports';
import type { LedgerEntry } from '../../../domain/ledger';
import type { Sample } from '../../../gateway/protocol';
import { FakeEvidence } from '../../support/fakes/evidence';
import { MemoryLedger } from '../../support/memory-ledger';
import { addressOf, digestOf, infoOf, model, recordOf, service, StepWorld } from './step-world';

describe('steps of the controller', () => {
  let world: StepWorld;
  let ledger: MemoryLedger;
  let sent: { delivered: string[]; failed: { sink: string; why: string }[] };
  let ports: ControlPorts;
  beforeEach(async () => {
    world = await StepWorld.start();
    ledger = new MemoryLedger();
    sent = { delivered: ['terminal'], failed: [] };
    const { artifacts, router, telemetry, engine } = world;
    const repeatable = (): boolean => world.repeatable();
    const outside = { values: () => Promise.reject(new Error('no metric from outside was expected')) };
    const alerts = { send: () => Promise.resolve(sent) };
    const evidence = new FakeEvidence();
    ports = { ledger, artifacts, router, telemetry, engine, repeatable, alerts, outside, evidence };
  });

  const entry = (no: number, facts: LedgerEntry['facts'] = {}): LedgerEntry => ({
    service,
    key: `service/mail/${no}`,
    at: no,
    kind: 'standing-changed',
    incident: null,
    actor: { name: 'lastgood', proof: 'lastgood', from: 'test' },
    summary: `entry ${no}`,
    facts,
  });

  it('record decisions in order, and only once when the answer was lost', async () => {
    const { recordDecisions } = controlActivities(ports);
    ledger.setOutage('lose-answer');
    await expect(recordDecisions([entry(1), entry(2)])).rejects.toMatchObject({
      type: 'LedgerUnavailable',
      nonRetryable: false,
    });
    ledger.setOutage('none');

    expect(await recordDecisions([entry(1), entry(2)])).toEqual({ lastSeq: 2 });

    expect(ledger.entries(service).map(({ key }) => key)).toEqual(['service/mail/1', 'service/mail/2']);
    const other = recordDecisions([{ ...entry(1), summary: 'something else' }]);
    await expect(other).rejects.toMatchObject({ type: 'LedgerConflict', nonRetryable: true });
    await expect(other).rejects.toBeInstanceOf(ApplicationFailure);
  });

  it('recover the newest value of every fact over many pages, and null where there is no chain', async () => {
    const { recordDecisions, recoverState } = controlActivities(ports);
    expect(await recoverState(service)).toBeNull();
    const facts = {
      digest: 'sha256:x',
      importedAt: 1,
      why: 'rolled back from',
      since: 1,
      human: null,
      lastGoodAt: null,
    };
    const version = { ...facts, version: '1.3', deployedAt: null, probes: 2, model };
    const breaker = { open: true, epoch: 2, openedAt: 5, incident: '20261123-4' };
    const incident = {
      id: '20261123-4',
      phase: 'rolling-back',
      tier: 'immediate',
      metric: 'error-rate',
      hard: true,
      from: '1.3',
      target: '1.2',
      attribution: 'model',
      onsetAt: null,
      detectedAt: 3,
      decidedAt: 4,
      preparedAt: null,
      shiftedAt: null,
      settledAt: null,
      approvalUntil: null,
      sentence: 'error-rate is 20 %',
      dropped: [],
      automatic: true,
      holdMove: false,
    };
    const changes = [
      { versions: [{ ...version, standing: 'validated' }], mode: 'act', consecutive: 0, nextEpoch: 40 },
      { breaker, consecutive: 2, incident, incidentCounter: 4 },
      { route: JSON.parse(JSON.stringify(recordOf('1.2', 57))) as never, cooldownUntil: 9_000 },
      { versions: [{ ...version, standing: 'quarantined' }], cooldownUntil: null },
    ];
    await recordDecisions(changes.map((change, index) => entry(index + 1, { changes: change })));
    await recordDecisions(Array.from({ length: 1_100 }, (_, index) => entry(index + 5)));

    expect(await recoverState(service)).toEqual({
      seq: 1_104,
      at: 1_104,
      route: recordOf('1.2', 57),
      highestEpoch: 57,
      versions: [{ ...version, standing: 'quarantined' }],
      cooldownUntil: null,
      breaker,
      consecutive: 2,
      openIncident: '20261123-4',
      incidentCounter: 4,
      mode: 'act',
      incident,
      operation: null,
      bake: null,
      confirming: null,
      pausedUntil: null,
      standby: null,
    });
  });

  it('refuse to recover from a decision that cannot be read', async () => {
    const { recordDecisions, recoverState } = controlActivities(ports);
    await recordDecisions([entry(1, { changes: { breaker: 'open' } })]);

    await expect(recoverState(service)).rejects.toThrow('entry 1 in the ledger of mail: facts.changes.breaker');
  });

  it('keep a list of versions and a recovered state within 16 KiB, and never lose who is barred', async () => {
    const { recordDecisions, recoverState, listVersions } = controlActivities(ports);
    const many = Array.from({ length: 300 }, (_, index) => index);
    for (const index of many) world.artifacts.put(service, infoOf(`2.${index}`, index + 10));
    const list = await listVersions(service);
    expect(JSON.stringify(list).length).toBeLessThan(16_384);
    expect(list.at(-1)?.version).toBe('2.299');
    const rest = { digest: 'sha256:x', since: 1, human: null, lastGoodAt: null, deployedAt: null, probes: 2, model };
    for (const index of many) {
      const standing = index === 0 ? 'revoked' : 'validated';
      const version = { ...rest, version: `2.${index}`, importedAt: index, standing, why: 'x'.repeat(200) };
      await recordDecisions([entry(index + 1, { changes: { versions: [version] } })]);
    }

    const recovered = await recoverState(service);

    expect(JSON.stringify(recovered).length).toBeLessThan(16_384);
    expect(recovered?.versions[0]).toMatchObject({ version: '2.0', standing: 'revoked' });
    expect(recovered?.versions.at(-1)?.version).toBe('2.299');
  });

  it('list versions with how they fit the inputs of now and whether clients of the live one could use them', async () => {
    const fit = { distance: 0.1, field: 'age', mean: 0.02, n: 200, at: 1 };
    const fits = { latest: () => new Map([['1.2', fit]]) };
    world.artifacts.put(service, { ...infoOf('1.4', 9), engine: 'openai' });
    const { listVersions } = controlActivities({ ...ports, fits });
    const list = await listVersions(service);
    expect(list.find(({ version }) => version === '1.2')).toMatchObject({ fit });
    expect(list.find(({ version }) => version === '1.3')).not.toHaveProperty('fit');
    expect(list.filter(({ incompatible }) => incompatible)).toMatchObject([
      { version: '1.4', incompatible: { live: '1.3', why: expect.stringContaining('served by openai, 1.3 by') } },
    ]);

    // A router that does not answer says nothing against anybody, and costs the list nothing.
    const away = { ...world.router, read: () => Promise.reject(new Error('away')) } as unknown as typeof world.router;
    const blind = await controlActivities({ ...ports, router: away }).listVersions(service);
    expect(blind.map(({ version }) => version)).toEqual(list.map(({ version }) => version));
    expect(list.at(-1)?.incompatible).toBeDefined();
    expect(blind.some((version) => 'incompatible' in version || 'fit' in version)).toBe(false);
  });

  it('I15: list as many versions with figures as without; what is measured takes the room that is left', async () => {
    for (let index = 0; index < 300; index += 1) world.artifacts.put(service, infoOf(`2.${index}`, index + 10));
    const fit = { distance: 0.1, field: 'x'.repeat(48), mean: 0.02, n: 200, at: Date.now() };
    const every = new Map(Array.from({ length: 300 }, (_, index) => [`2.${index}`, fit]));
    const plain = await controlActivities(ports).listVersions(service);
    const list = await controlActivities({ ...ports, fits: { latest: () => every } }).listVersions(service);
    expect(list.map(({ version }) => version)).toEqual(plain.map(({ version }) => version));
    expect(JSON.stringify(list).length).toBeLessThan(16_384);
  });

  it('I8: bar every version that clients could not use, however many they are; the words take the room that is left', async () => {
    for (let index = 0; index < 300; index += 1)
      world.artifacts.put(service, { ...infoOf(`2.${index}`, index + 10), engine: 'openai' });
    const fit = { distance: 0.1, field: '長'.repeat(48), mean: 0.02, n: 200, at: Date.now() };
    const every = new Map(Array.from({ length: 300 }, (_, index) => [`2.${index}`, fit]));
    const list = await controlActivities({ ...ports, fits: { latest: () => every } }).listVersions(service);
    expect(list.length).toBeGreaterThan(40);
    expect(list.filter(({ incompatible }) => !incompatible)).toEqual([]);
    expect(list.at(-1)?.incompatible).toMatchObject({ live: '1.3' });
    expect(Buffer.byteLength(JSON.stringify(list))).toBeLessThan(15_100);
  });

  it('validate an artifact, and say where it is wrong', async () => {
    const { validateArtifact } = controlActivities(ports);
    const check = async (digest: string): Promise<unknown> =>
      await world.env.run(validateArtifact, { service, version: '1.2', digest });
    expect(await check(digestOf('1.2'))).toEqual({ ok: true });
    expect(await check('sha256:y')).toEqual({
      ok: false,
      why: 'the store holds sha256:1.2, the decision names sha256:y',
    });
    world.artifacts.damage(service, '1.2', { path: 'a/b', problem: 'missing', expected: '12 bytes', found: 'nothing' });
    expect(await check(digestOf('1.2'))).toEqual({ ok: false, why: 'a/b: missing (expected 12 bytes, found nothing)' });
  });

  it('probe a copy: readiness, digest, golden probes', async () => {
    const { probeInstance } = controlActivities(ports);
    const [backend] = recordOf('1.2', 8).backends['1.2'] ?? [];
    if (!backend) throw new Error('no backend');
    const probe = async (): Promise<unknown> =>
      await world.env.run(probeInstance, { service, version: '1.2', model, backend });
    expect(await probe()).toMatchObject({ ok: true, probes: 2 });
    world.fake.put(backend.address, '1.2', { label: 'ham' });
    expect(await probe()).toEqual({ ok: false, why: 'golden probe p1: label is ham, expected spam' });
    world.fake.copies.delete(backend.address);
    expect(await probe()).toEqual({ ok: false, why: 'not ready: connection refused' });
  });

  it('throw an alert that no sink took, and let one pass that some took', async () => {
    const { sendAlert } = controlActivities(ports);
    const alert: Alert = {
      key: 'i-1/settled',
      service,
      incident: 'i-1',
      severity: 'info',
      at: 1,
      title: '',
      wrong: '',
      did: '',
      users: '',
      must: 'nothing',
      command: null,
      link: null,
    };
    sent = { delivered: [], failed: [{ sink: 'webhook', why: '503' }] };
    await expect(world.env.run(sendAlert, alert)).rejects.toMatchObject({
      type: 'AlertUndelivered',
      message: 'i-1/settled: webhook: 503',
    });
    sent = { delivered: ['terminal'], failed: [] };
    await expect(world.env.run(sendAlert, alert)).resolves.toBeUndefined();
  });

  describe('replay recent inputs on the target', () => {
    const sample = (no: number, change: Partial<Sample>): Sample => ({
      requestId: `r${no}`,
      atMs: no,
      version: '1.3',
      path: '/v2/models/mail/infer',
      contentType: 'application/json',
      body: '{"text":"x"}',
      predicted: 'spam',
      score: null,
      label: null,
      ...change,
    });
    const many = (count: number, change: Partial<Sample>): Sample[] =>
      Array.from({ length: count }, (_, no) => sample(no, { ...change, requestId: `${JSON.stringify(change)}${no}` }));
    const replay = async (): Promise<unknown> => {
      const [backend] = recordOf('1.2', 8).backends['1.2'] ?? [];
      if (!backend) throw new Error('no backend');
      const { shadowReplay } = controlActivities(ports);
      const budget = { maxInputs: 100, budgetMs: 5_000 };
      return await world.env.run(shadowReplay, {
        service,
        version: '1.2',
        model,
        backend,
        replay: budget,
        against: '1.3',
      });
    };

    it('with the mirror header, right where the labels are known', async () => {
      world.telemetry.samplesKept = many(12, { label: 'spam', predicted: 'ham' });

      expect(await replay()).toEqual({
        ok: true,
        inputs: 12,
        right: 12,
        note: '12 recent inputs, 12 of 12 labelled ones right',
      });
      expect(world.fake.asked[0]).toEqual({ address: addressOf('1.2'), headers: { 'x-lastgood-mirror': '1' } });
    });

    it('and refuse one that is worse than what is left', async () => {
      world.telemetry.samplesKept = many(12, { label: 'ham', predicted: 'ham' });

      const why = 'of 12 labelled inputs 12 are wrong only on it and 0 only on the version that is left';
      expect(await replay()).toEqual({ ok: false, why });
    });

    it('without taking the answers of the version that is left for the truth', async () => {
      world.telemetry.samplesKept = many(30, { predicted: 'ham' });

      expect(await replay()).toEqual({
        ok: true,
        inputs: 0,
        right: null,
        note: 'nothing was compared: there are no samples',
      });
    });

    it('and say why nothing was compared where samples are off or requests have effects', async () => {
      expect(await replay()).toMatchObject({ note: 'nothing was compared: samples are off' });
      world.repeatable = (): boolean => false;
      expect(await replay()).toMatchObject({
        note: 'nothing was compared: requests of this service are not repeatable',
      });
    });
  });
});
