import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { readExperiment } from '../../../workers/chaos/experiment-schema';
import { packageDirectory } from '../../../workers/program';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';

afterAll(removeTemporary);

const minimal = {
  schema: 1,
  name: 'killed',
  why: 'it dies',
  fault: { kind: 'kill-serving' },
  expect: { outcome: 'settled' },
};

function read(text: object, service: string | null = 'triage') {
  const file = join(temporaryDirectory('experiment'), 'experiment.yaml');
  writeFileSync(file, stringify(text));
  return readExperiment(file, service);
}

const shipped = join(packageDirectory(), 'experiments');

test.each(readdirSync(shipped))('the experiment %s that ships is one, under the name of its file', (file) => {
  expect(readExperiment(join(shipped, file), 'triage').name).toBe(file.replace(/\.yaml$/, ''));
});

test('an experiment gets every default, and asks for every invariant', () => {
  expect(read(minimal)).toEqual({
    name: 'killed',
    why: 'it dies',
    service: 'triage',
    users: { perSecond: 10 },
    steadyState: { withinMs: 60_000, errors: { atMost: 0, of: 20 }, routeStableMs: 1_000 },
    trigger: { kind: 'none' },
    at: 'before',
    fault: { kind: 'kill-serving', version: 'live' },
    expect: {
      withinMs: 120_000,
      outcomes: ['settled'],
      targetDropped: null,
      primary: 'any',
      lostAtMost: 0,
      failedAtMost: 0,
      invariants: ['I1', 'I2', 'I4', 'I5', 'I6', 'I8', 'I9', 'I12'],
    },
    recoverWithinMs: 120_000,
    putBack: true,
  });
});

test.each([
  ['an unknown key', { ...minimal, faults: [] }, /:\d+:1: faults: unknown key, did you mean fault\?/],
  ['an unknown fault', { ...minimal, fault: { kind: 'meteor' } }, /fault\.kind: found "meteor"/],
  [
    'an unknown outcome',
    { ...minimal, expect: { outcome: 'fine' } },
    /expect\.outcome: found "fine", expected one or several of settled/,
  ],
  [
    'an invariant that no run can tell',
    { ...minimal, expect: { outcome: 'settled', invariants: ['I13'] } },
    /invariants/,
  ],
  [
    'a step without a rollback',
    { ...minimal, at: 'verify' },
    /at: found "verify", expected before, where nothing is triggered/,
  ],
  [
    'a target without a rollback',
    { ...minimal, fault: { kind: 'kill-serving', version: 'target' } },
    /without a trigger there is no target/,
  ],
  [
    'a freeze without an end',
    { ...minimal, fault: { kind: 'freeze-serving', limit: '2h' } },
    /fault\.limit: found "2h", expected a duration .*at most 10m/,
  ],
  [
    'a surge without a bound',
    { ...minimal, fault: { kind: 'load-surge', perSecond: 100_000 } },
    /fault\.perSecond: found 100000, expected a whole number from 1 to 5000/,
  ],
  [
    'a cluster without a context',
    { ...minimal, fault: { kind: 'litmus', manifest: {} } },
    /fault\.context: is missing, expected the name of a context/,
  ],
])('%s is refused with its place in the file', (_, text, words) => {
  expect(() => read(text)).toThrow(words);
});

test('an experiment for no service is refused', () => {
  expect(() => read(minimal, null)).toThrow(/service: is missing/);
});
