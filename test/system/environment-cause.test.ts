import type { Installation } from '../support/installation';
import { deploy, moves, ofKind, startLight } from '../support/installation-story';
import { removeTemporary } from '../support/temporary';

/** Another kind of input, and failures with it: the running system must name the field while users wait. */
let installation: Installation;

beforeAll(async () => {
  installation = await startLight(
    {
      name: 'inputs',
      service: { samples: { share: 1 } },
      policy: { undetermined: { immediate: 'hold' }, detection: { shortWindow: { every: '5s' } } },
    },
    [{ version: '1.0' }, { version: '1.1' }],
  );
}, 150_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

/** One request after the other with texts of about so many characters. */
async function send(count: number, characters: number): Promise<void> {
  for (let at = 0; at < count; at += 1) {
    const text = `${'x'.repeat(Math.floor(characters * (1 + Math.random())))} ${at}`;
    const response = await fetch(`${installation.entrance}/v2/models/mail/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: [text] }] }),
    });
    await response.arrayBuffer();
  }
}

test('failures that come with another kind of input: the reasons of the verdict name the field, the limit and where to look', async () => {
  const { api } = installation;
  await deploy(installation, '1.0');
  await deploy(installation, '1.1');
  await send(300, 40);
  // The history of an immediate verdict ends a minute before its onset.
  await new Promise((resume) => setTimeout(resume, 62_000));
  const after = await api.ledgerHead();
  await send(150, 900);
  // The inputs changed, and then the model began to fail on some of them.
  await new Promise((resume) => setTimeout(resume, 4_000));
  await installation.fault('1.1', { status: 500, share: 0.4 });
  const failing = send(400, 900);
  const began = await api.entry('degradation-began', after, ({ kind }) => kind === 'degradation-began', 60_000);
  await failing;

  const reasons = (began.facts['reasons'] as string[]).join('\n');
  expect(reasons).toContain('changed at the same onset: inputs:inputs[name=text].data[0]');
  expect(reasons).toMatch(
    /% are outside the range \(limit [\d.]+ %, [\d.]+ % before\) of \d+, since about \d\d:\d\d:\d\d UTC/,
  );
  expect(reasons).toContain('look at what sends the field inputs[name=text].data[0]');
  expect(reasons).not.toContain('xxx');
  expect(began.facts).toMatchObject({ metric: 'error-rate', attribution: 'undetermined' });
  // A deploy some seconds before explains it as well: the policy of this service holds then.
  expect(moves(await api.ledger(after))).toEqual([]);
  expect(ofKind(await api.ledger(after), 'rollback-held')).not.toEqual([]);
}, 240_000);
