import { processFacts } from '../../adapters/disk/proc';
import { Installation } from '../support/installation';
import { deploy, moves, ofKind } from '../support/installation-story';
import { removeTemporary } from '../support/temporary';

let installation: Installation;

beforeAll(async () => {
  installation = await Installation.start({
    name: 'leak',
    models: 'real',
    service: { serving: { memoryLimit: '512MiB' } },
    policy: { cooldown: '30m', detection: { minHistory: '5s' } },
  });
  await installation.importReal('1.1', '1.4');
}, 180_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

test('a release that leaks memory is rolled back while its process still runs, without a lost request', async () => {
  const { api } = installation;
  await deploy(installation, '1.1');
  const traffic = await installation.load({ perSecond: 40 });
  const after = await api.ledgerHead();
  await deploy(installation, '1.4');
  const { pid } = installation.copyOf('1.4');
  const settled = await api.entry('settled', after, ({ kind }) => kind === 'settled', 150_000);
  // Its own limit ends it, as the kernel would; what is left of it must still be there.
  expect(processFacts(pid)).not.toBeNull();
  const { tally } = await traffic.stop(1_000);
  const entries = await api.ledger(after);
  const began = ofKind(entries, 'degradation-began')[0];
  process.stdout.write(`memory: ${began?.summary ?? 'no verdict'}\n`);
  expect({ failed: tally.failed, dropped: tally.dropped }).toEqual({ failed: 0, dropped: 0 });
  expect(began?.facts).toMatchObject({ metric: 'memory', tier: 'immediate', version: '1.4' });
  expect(settled.facts).toMatchObject({ from: '1.4', to: '1.1' });
  expect(moves(entries)).toEqual(['1.1→1.4', '1.4→1.1']);
}, 300_000);
