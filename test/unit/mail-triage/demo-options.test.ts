import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeConfiguration } from '../../../examples/mail-triage/demo/configuration';
import { OptionsRefused, readOptions } from '../../../examples/mail-triage/demo/options';
import { loadConfiguration } from '../../../workers/configuration/load';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';

afterAll(removeTemporary);

test('without options the demo has its usual seed and directories', () => {
  expect(readOptions([])).toEqual({
    keep: false,
    seed: 7,
    data: join('.cache', 'mail-triage'),
    dir: join('.lastgood', 'demo'),
  });
  expect(readOptions(['--seed', '0', '--keep'])).toMatchObject({ seed: 0, keep: true });
});

test.each([
  [['--seed', 'abc'], '--seed: found "abc", expected a whole number from 0 to 4294967295'],
  [['--seed', '1.5'], '--seed: found "1.5"'],
  [['--seed', '-1'], 'seed'],
  [['--seed='], '--seed: found ""'],
  [['--seed', '4294967296'], '--seed: found "4294967296"'],
  [['--dir='], '--dir: found nothing, expected a directory'],
  [['--keeep'], "Unknown option '--keeep'"],
  [['now'], "Unexpected argument 'now'"],
])('%j is refused with what was found and the usage', (args, message) => {
  const refused = (): unknown => readOptions(args);
  expect(refused).toThrow(OptionsRefused);
  expect(refused).toThrow(message);
  expect(refused).toThrow('usage: npm start -- [--keep] [--seed N] [--data DIR] [--dir DIR]');
});

test('the demo starts anew in a directory of its own, and touches none that somebody else filled', () => {
  const own = join(temporaryDirectory('demo'), 'run');
  const file = writeConfiguration(own, 'mail-triage');
  expect(loadConfiguration(file).services.map(({ name }) => name)).toEqual(['mail-triage']);
  writeFileSync(join(own, 'left-over'), 'x');
  writeConfiguration(own, 'mail-triage');
  expect(existsSync(join(own, 'left-over'))).toBe(false);
  const foreign = temporaryDirectory('foreign');
  mkdirSync(join(foreign, 'letters'));
  expect(() => writeConfiguration(foreign, 'mail-triage')).toThrow('that no demo wrote');
  expect(existsSync(join(foreign, 'letters'))).toBe(true);
});
