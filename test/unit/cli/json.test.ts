import type { Command } from 'commander';
import { join } from 'node:path';
import { main } from '../../../cli/main';
import { buildProgram } from '../../../cli/program';
import type { Terminal } from '../../../cli/terminal';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';

afterAll(removeTemporary);

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(args: readonly string[], now = (): number => 0): Promise<Ended> {
  let out = '';
  let err = '';
  const terminal: Terminal = {
    isTerminal: false,
    out: (line) => void (out += `${line}\n`),
    err: (line) => void (err += `${line}\n`),
    repaint: () => undefined,
    now,
  };
  const code = await main(args, terminal);
  return { code, out, err };
}

/** Every verb that the program has, as it is typed. */
function verbsOf(command: Command, typed: readonly string[] = []): string[] {
  const inner = command.commands.filter((child) => child.name() !== 'help');
  if (inner.length === 0) return [typed.join(' ')];
  return inner.flatMap((child) => verbsOf(child, [...typed, child.name()]));
}

const silent: Terminal = { isTerminal: false, out: jest.fn(), err: jest.fn(), repaint: jest.fn(), now: () => 0 };
const verbs = verbsOf(buildProgram(silent, () => Promise.resolve()));

/** Arguments with which each verb can be read, so that it fails later than at its options. */
const readable: Readonly<Record<string, readonly string[]>> = {
  status: [],
  gate: ['a@1'],
  explain: [],
  report: [],
  exposure: [],
  incidents: [],
  history: [],
  which: ['r-1'],
  'audit verify': [],
  'audit export': ['--from', '2026-11-23', '--key', 'no-such-file', '--out', 'no-such-directory'],
  deploy: ['a@1', '--reason', 'x'],
  rollback: ['--reason', 'x'],
  approve: ['i-1', '--reason', 'x'],
  intervene: ['i-1', 'retry', '--reason', 'x'],
  cancel: ['--reason', 'x'],
  'breaker clear': ['--epoch', '1', '--reason', 'x'],
  'quarantine list': [],
  replay: [],
  'quarantine clear': ['a@1', '--reason', 'x'],
  vouch: ['a@1', '--reason', 'x'],
  revoke: ['a@1', '--reason', 'x'],
  pause: ['--for', '30m', '--reason', 'x'],
  resume: ['--reason', 'x'],
  mode: ['observe', '--reason', 'x'],
  up: [],
  init: ['--url', 'http://127.0.0.1:9', '--engine', 'open-inference'],
  validate: [],
  'haproxy config': [],
  'artifacts manifest': ['no-such-directory', '--service', 'a', '--version', '1', '--model', 'm'],
  'artifacts import': ['no-such-directory'],
  'artifacts list': [],
  'artifacts verify': [],
  'artifacts prune': ['--reason', 'x'],
  'artifacts profile': ['no-such-file'],
  'artifacts pull': [],
  'artifacts sync': [],
  'caches show': [],
  'caches invalidate': ['a', '--reason', 'x'],
  'chaos run': ['no-such-experiment', '--reason', 'x'],
  'chaos list': [],
  'chaos show': ['no-such-experiment'],
  'chaos abort': [],
  'chaos proxy': ['no-such-registry'],
  'drill run': ['a', '--wrong', '30%', '--reason', 'x'],
  'drill schedule': ['a'],
  'drill list': ['a'],
  'drill show': [],
  'drill compare': [],
  'items list': ['a'],
  'items show': ['a', 'i-1'],
  'items sign-off': ['a', 'i-1', '--reason', 'x'],
  'items retry': ['a', 'i-1', '--pipeline', 'p', '--reason', 'x'],
  'items skip': ['a', 'i-1', '--pipeline', 'p', '--reason', 'x'],
  whoami: [],
  proposals: [],
  second: ['p-1', '--reason', 'x'],
  watch: [],
  bundle: ['--out', 'no-such-directory/lastgood.tar'],
  'backup make': ['--out', 'no-such-directory/backup.tar'],
  'backup verify': ['no-such-file'],
  'restore from': ['no-such-file', '--data', 'no-such-directory', '--reason', 'x'],
  'restore differences': [],
  'restore accept': ['a', '--reason', 'x'],
  detach: ['a', '--reason', 'x'],
  attach: ['a', '--reason', 'x'],
  'token make': ['--name', 'a', '--role', 'god'],
};

function errorIn(text: string): { what: string; todo: string | null; exitCode: number } {
  const { error } = JSON.parse(text) as { error: { what: string; todo: string | null; exitCode: number } };
  expect(Object.keys(error)).toEqual(['what', 'todo', 'exitCode']);
  expect(error.what).not.toBe('');
  return error;
}

test('every verb but doctor, which answers with findings, has its place in the table', () => {
  expect(verbs.filter((verb) => verb !== 'doctor').sort()).toEqual(Object.keys(readable).sort());
});

test.each(verbs)('%s --json that cannot be read ends with 64 and says so as JSON', async (verb) => {
  const { code, out, err } = await run([...verb.split(' '), '--no-such-option', '--json']);
  expect(code).toBe(64);
  expect(errorIn(out)).toMatchObject({ exitCode: 64, todo: `lastgood ${verb} --help` });
  expect(errorIn(out).what).toContain("unknown option '--no-such-option'");
  expect(err).toContain("unknown option '--no-such-option'");
});

test.each(Object.entries(readable))('%s --json that fails says why as JSON', async (verb, args) => {
  const config = join(temporaryDirectory('none'), 'lastgood.yaml');
  const { code, out, err } = await run([...verb.split(' '), ...args, '--config', config, '--json']);
  expect(code).not.toBe(0);
  expect(errorIn(out).exitCode).toBe(code);
  expect(err).not.toBe('');
});

test('a verb that is missing or unknown is a failure as JSON too', async () => {
  expect(errorIn((await run(['stauts', '--json'])).out).what).toContain("unknown command 'stauts'");
  expect(errorIn((await run(['artifacts', '--json'])).out).exitCode).toBe(64);
});

test('a fault of lastgood ends with 70 and says so as JSON', async () => {
  const broken = (): number => {
    throw new Error('the clock is broken');
  };
  const { code, out, err } = await run(['status', '--watch', '--timeout', '1s', '--json'], broken);
  expect(code).toBe(70);
  expect(errorIn(out)).toMatchObject({ what: 'the clock is broken', exitCode: 70 });
  expect(err).toContain('--verbose shows where');
});
