import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rollbackWorkflowId } from '../../workflows/contract/ids';
import { SERVICE, type Installation } from '../support/installation';
import { degradation } from '../support/installation-api';
import { degrade, deploy, forgive, moves, ofKind, startLight } from '../support/installation-story';
import { usersLoseNothing } from '../support/installation-users';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

/** Cold candidates in the order in which they are tried: the newest first. */
const versions = [
  { version: 'good' },
  { version: 'wrong-2', label: 'ham' },
  { version: 'wrong-1', label: 'ham' },
  { version: 'corrupt' },
  // Its golden probe is its first answer: it is healthy when it is looked at and dead a moment later.
  { version: 'dies', dieAfterAnswers: 1 },
  { version: 'live' },
];

let installation: Installation;

beforeAll(async () => {
  const policy = { standby: { keepWarm: false }, attempts: { maxCandidates: 4 } };
  installation = await startLight({ name: 'candidates', policy }, versions);
  corruptOneByte('corrupt');
  await deploy(installation, 'live');
}, 120_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

const users = usersLoseNothing(() => installation);

function corruptOneByte(version: string): void {
  const objects = join(installation.directory, 'data', 'artifacts', 'objects');
  const folder = readdirSync(objects).find((name) => {
    const light = readFileSync(join(objects, name, 'light.json'), 'utf8');
    return (JSON.parse(light) as { version: string }).version === version;
  });
  const file = join(objects, folder ?? '', 'weights.safetensors');
  const bytes = readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  chmodSync(file, 0o644);
  writeFileSync(file, bytes);
}

test('a rollback for which every candidate is bad moves nothing and waits for a person, who may choose', async () => {
  const { api } = installation;
  const { after } = await degrade(installation, { tier: 'short-window' });
  const waiting = await api.whenState('a person is asked', ({ operation, incident }) =>
    operation?.waiting ? { operation, incident } : null,
  );
  const dropped = ofKind(await api.ledger(after), 'candidate-dropped');
  expect(dropped.map(({ facts }) => [facts['version'], facts['step'], facts['next']])).toEqual([
    ['dies', 'shift', 'corrupt'],
    ['corrupt', 'validate', 'wrong-1'],
    ['wrong-1', 'probe', 'wrong-2'],
    ['wrong-2', 'probe', null],
  ]);
  expect(dropped[0]?.summary).toMatch(/unready|not ready|ECONNREFUSED/);
  expect(dropped[1]?.summary).toMatch(/weights\.safetensors.*changed/);
  expect(dropped[2]?.summary).toContain('label is ham, expected spam');
  expect(waiting.incident?.phase).toBe('waiting-for-human');
  expect(moves(await api.ledger(after))).toEqual([]);

  const incident = waiting.incident?.id ?? '';
  await api.accepted('intervene', { incident, action: 'choose', target: 'good' });
  await api.entry('settled', after, ({ kind }) => kind === 'settled');
  await until('answers of it', async () => (await users().tally()).byVersion['good']);
  expect(moves(await api.ledger(after))).toEqual(['live→good']);
  expect(Object.keys((await users().tally()).byVersion).sort()).toEqual(['good', 'live']);
}, 60_000);

test('a person who aborts ends the incident with the traffic where it is', async () => {
  const { api } = installation;
  await forgive(installation);
  await deploy(installation, 'live');
  await api.accepted('revoke', { version: 'good' });
  const { after } = await degrade(installation, { tier: 'short-window' });
  const { incident } = await api.whenState('a person is asked', (state) => (state.operation?.waiting ? state : null));
  await api.accepted('intervene', { incident: incident?.id ?? '', action: 'abort' });
  await api.entry('the end', after, ({ kind }) => kind === 'incident-ended');
  const state = await api.whenState('nothing in flight', (found) => (found.operation === null ? found : null));
  expect(state.declared?.primary).toBe('live');
  expect(state.incident).toBeNull();
  expect(moves(await api.ledger(after))).toEqual([]);
}, 60_000);

test('fifty triggers at once make one rollback', async () => {
  const { api } = installation;
  await installation.importLight({ version: 'spare' });
  await forgive(installation);
  await api.accepted('vouch', { version: 'spare' });
  const route = await api.whenState('a route', ({ declared }) => declared);
  const after = await api.ledgerHead();
  const told = Array.from({ length: 30 }, (_, n) =>
    installation.signalService('degradationBegan', degradation(`trigger-${n % 20}`, route, { tier: 'short-window' })),
  );
  const acts = Array.from({ length: 20 }, () => api.act('rollback', { to: 'spare' }));
  await Promise.all(told);
  const answers = await Promise.all(acts);
  await api.entry('settled', after, ({ kind }) => kind === 'settled');
  const entries = await api.ledger(after);
  expect(ofKind(entries, 'rollback-decided')).toHaveLength(1);
  expect(ofKind(entries, 'settled')).toHaveLength(1);
  expect(moves(entries)).toEqual(['live→spare']);
  // Whoever came second was told what is in flight.
  const refused = answers.filter(({ decision }) => decision === 'refused');
  expect(refused.length).toBeGreaterThanOrEqual(19);
  for (const { why } of refused) expect(why).toMatch(/in flight/);
  const operation = String(ofKind(entries, 'rollback-decided')[0]?.facts['operation']);
  const client = await installation.temporal();
  const { status } = await client.workflow.getHandle(rollbackWorkflowId(SERVICE, operation)).describe();
  expect(status.name).toBe('COMPLETED');
}, 60_000);
