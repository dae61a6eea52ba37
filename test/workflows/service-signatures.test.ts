import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Actor } from '../../domain/ledger';
import type { OperatorMessage } from '../../domain/service/messages';
import { ActSigner } from '../../workers/act-signer';
import { temporalDecisions } from '../../workers/decisions';
import { searchAttributeTypes } from '../../workflows/contract/ids';
import {
  failedTasks,
  messageOf,
  quietRuntime,
  serviceBundle,
  ServiceRig,
  ServiceWorkers,
} from '../support/service-rig';
import { policyOf, ServiceWorld } from '../support/service-world';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';

jest.setTimeout(60_000);

const directory = mkdtempSync(join(tmpdir(), 'lastgood-acts-'));
const signer = ActSigner.of(join(directory, 'acts.key'));
const stranger = ActSigner.of(join(directory, 'other.key'));
const ada: Actor = { name: 'ada', proof: 'oidc', from: '192.0.2.7' };
const bob: Actor = { name: 'bob', proof: 'token', from: '192.0.2.8' };

describe('an actor counts under the signature of the controller only', () => {
  let server: TestDevServer;
  let workers: ServiceWorkers;
  let rig: ServiceRig;
  let count = 0;

  beforeAll(async () => {
    quietRuntime();
    const attributes = Object.entries(searchAttributeTypes).map(([name, type]) => ({ name, type }));
    [server] = await Promise.all([startDevServer({ searchAttributes: attributes }), serviceBundle()]);
    workers = await ServiceWorkers.start(server.env);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await server.stop();
    rmSync(directory, { recursive: true });
  });
  afterEach(async () => {
    expect(failedTasks((await rig.histories())[0]?.history ?? {})).toEqual([]);
    await rig.stop();
  });

  async function start(over: Parameters<typeof policyOf>[0] = {}): Promise<void> {
    const policy = policyOf({ unverifiedOperators: 'refuse', actKeys: [signer.publicKey], ...over });
    rig = await ServiceRig.start(workers, new ServiceWorld(`signed-${(count += 1)}`), { policy });
    await rig.until('it has started', ({ declared }) => declared !== null);
    await rig.ready();
  }

  /** What the interface of the controller does. */
  const act = (
    message: Record<string, unknown> & { name: OperatorMessage['name'] },
  ): Promise<{ decision: string; why: string }> => {
    const whole = messageOf({ actor: ada, ...message }) as unknown as OperatorMessage;
    return temporalDecisions(server.env.client, signer).act(rig.world.service, message.name, whole);
  };
  const raw = (message: Record<string, unknown>): Promise<{ decision: string; why: string }> =>
    rig.act('pause', message);
  const signedPause = (by: ActSigner, now = Date.now(), service = rig.world.service): Record<string, unknown> => {
    const message = messageOf({ forMs: 60_000, actor: ada });
    return { ...message, signature: by.sign(service, { name: 'pause', ...message }, now) };
  };

  it('decides what the controller signed, and the ledger has the name', async () => {
    await start();
    expect(await act({ name: 'pause', forMs: 60_000 })).toMatchObject({ decision: 'accepted' });
    const written = (): unknown => rig.world.ledger.find(({ summary }) => summary.startsWith('pause for'))?.actor;
    await rig.until('it is written', ({ pausedUntil }) => pausedUntil !== null && written() !== undefined);
    expect(written()).toEqual(ada);
  });

  it('takes an actor that somebody else wrote for nobody', async () => {
    await start();
    const forged = await raw({ forMs: 60_000, actor: ada });
    expect(forged).toMatchObject({ decision: 'refused', why: expect.stringContaining('nobody proved') as string });
    expect((await rig.state()).pausedUntil).toBeNull();
  });

  it('rejects a signature by another key, of another act, of another service, or of two minutes ago, and says which', async () => {
    await start();
    const refusal = async (message: Record<string, unknown>): Promise<string> =>
      await raw(message).then(
        () => 'it was decided',
        (error: unknown) => String((error as { cause?: unknown }).cause ?? error),
      );
    expect(await refusal(signedPause(stranger))).toContain(`by the key ${stranger.publicKey.slice(0, 8)}`);
    expect(await refusal({ ...signedPause(signer), forMs: 90_000 })).toContain('changed after it was signed');
    expect(await refusal({ ...signedPause(signer), actor: bob })).toContain('changed after it was signed');
    expect(await refusal(signedPause(signer, Date.now(), 'another'))).toContain('changed after it was signed');
    expect(await refusal(signedPause(signer, Date.now() - 121_000))).toContain('clocks differ');
    expect((await rig.state()).pausedUntil).toBeNull();
  });

  it('does a replayed act once', async () => {
    await start();
    const message = signedPause(signer);
    expect(await raw(message)).toMatchObject({ decision: 'accepted' });
    await act({ name: 'resume' });
    expect(await raw(message)).toMatchObject({ decision: 'accepted', repeated: true });
    expect((await rig.state()).pausedUntil).toBeNull();
  });

  it('needs two people with two names to take a quarantine away where the service is regulated', async () => {
    await start({ regulated: true });
    expect(await act({ name: 'revoke', version: '1.0' })).toMatchObject({
      decision: 'refused',
      why: expect.stringContaining('needs a second person') as string,
    });
    expect(await act({ name: 'revoke', version: '1.0', second: { ...bob, name: 'ada' } })).toMatchObject({
      why: 'ada cannot be the second person of their own revoke',
    });
    const unverified = { name: 'bob', proof: 'unverified', from: 'temporal' };
    expect((await act({ name: 'revoke', version: '1.0', second: unverified })).decision).toBe('refused');
    expect(await act({ name: 'revoke', version: '1.0', second: bob })).toMatchObject({ decision: 'accepted' });
    await rig.until('it is revoked', ({ versions }) =>
      versions.some(({ version, standing }) => version === '1.0' && standing === 'revoked'),
    );
    expect(rig.world.summaries()).toContain('revoke by ada, seconded by bob');
  });
});

test('a file that holds no Ed25519 key ends the start with its name', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'lastgood-acts-')), 'acts.key');
  writeFileSync(file, 'nonsense');
  expect(() => ActSigner.of(file)).toThrow(`${file}: no private key in PEM`);
});
