import type { Installation } from '../support/installation';
import { degrade, deploy, forgive, moves, ofKind, startLight, stepsOf } from '../support/installation-story';
import { expectNothingLost } from '../support/installation-users';
import { removeTemporary } from '../support/temporary';
import { until } from '../support/poll';

/**
 * The process that runs a step kills itself right before the step's effect; the one that takes over right after it: the
 * effect happened and its completion is lost. `up` starts the process again, Temporal the step; the world must look as if
 * nothing had been.
 */
const steps: [activity: string, part: 'controller' | 'host'][] = [
  ['shiftTraffic', 'host'],
  ['prepareTarget', 'host'],
  ['loadTarget', 'host'],
  ['recordDecisions', 'controller'],
  ['validateArtifact', 'controller'],
  ['probeInstance', 'controller'],
  ['verifyShift', 'controller'],
  ['shadowReplay', 'controller'],
  ['stopInstance', 'host'],
];

type Death = [activity: string, when: 'before' | 'after'];

/**
 * `prepareTarget` makes three steps in one call, and has one attempt: each of them is made by itself only after that was
 * lost. On the host that is the death before the load as well.
 */
function deathsOf(activity: string): Death[] {
  const [before, after]: [Death, Death] = [
    [activity, 'before'],
    [activity, 'after'],
  ];
  switch (activity) {
    case 'prepareTarget':
      return [after];
    case 'loadTarget':
      return [['prepareTarget', 'before'], after];
    case 'validateArtifact':
    case 'probeInstance':
      return [['prepareTarget', 'before'], before, after];
    default:
      return [before, after];
  }
}

let installation: Installation;

beforeAll(async () => {
  // Cold and with samples, so that every rollback goes through every step.
  const service = { samples: { share: 1, maxCount: 200, maxAge: '1h' } };
  installation = await startLight({ name: 'kill-worker', policy: { standby: { keepWarm: false } }, service });
  await deploy(installation, '1.1');
  await deploy(installation, '1.2');
}, 120_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

test.each(steps)(
  'a worker that dies at %s before its effect, and again after it, costs time: one rollback, one move, nothing dropped',
  async (activity, part) => {
    const { api } = installation;
    await forgive(installation);
    // A supervisor that is new has no back-off from the deaths before; its own death stops nothing.
    installation.kill('up');
    await installation.startUp();
    const traffic = await installation.load({ perSecond: 20 });
    const former = installation.pid(part);
    const deaths = deathsOf(activity);
    for (const [name, when] of deaths) installation.armFailpoint(name, when);
    const { from, after } = await degrade(installation, { tier: 'short-window' });
    const settled = await api.entry('settled', after, ({ kind }) => kind === 'settled', 60_000);
    const to = String(settled.facts['to']);
    await until('the new version in traffic', async () => (await traffic.tally()).byVersion[to], 5_000);
    // A copy is stopped after the rollback that left it.
    for (const [name, when] of deaths)
      await until(`the death ${when} ${name}`, () => installation.failpointWasHit(name, when), 20_000);
    await installation.restarted(part, former);
    if (activity === 'stopInstance')
      await api.whenState('nothing left to retire', ({ retiring }) => retiring.length === 0, 30_000);
    const { tally } = await traffic.stop(40);
    const entries = await api.ledger(after);

    expectNothingLost(tally);
    expect(moves(entries)).toEqual([`${from}→${to}`]);
    expect(ofKind(entries, 'rollback-decided')).toHaveLength(1);
    expect(ofKind(entries, 'candidate-dropped')).toEqual([]);
    expect(ofKind(entries, 'settled')).toHaveLength(1);
    expect(stepsOf(entries)).toEqual(['validate', 'load', 'probe', 'shadow', 'shift', 'verify', 'settle']);
    const retired = ofKind(entries, 'instance-retired').map(({ summary }) => summary);
    expect(retired.filter((summary) => summary.includes(': failed'))).toEqual([]);
    if (activity === 'stopInstance') expect(retired.join('\n')).toContain(': stopped, it ran no more');
    const operation = String(ofKind(entries, 'rollback-decided')[0]?.facts['operation']);
    expect(installation.copies().filter(({ instance }) => instance.endsWith(`#${operation}`))).toHaveLength(1);
    await until('as few copies as the policy allows', () => installation.copies().length <= 3, 15_000);
    expect(await api.verification()).toMatchObject({ ok: true });
  },
  120_000,
);
