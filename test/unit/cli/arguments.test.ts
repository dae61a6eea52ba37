import { parseMoment } from '../../../cli/moment';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { rolledBack, service } from './rollback-story';

let rig: ApiRig;
beforeAll(async () => {
  rig = await new ApiRig(await rolledBack()).listen();
});
afterAll(async () => {
  await rig.close();
  removeTemporary();
});

const acts: readonly (readonly [string[], string])[] = [
  [['deploy', 'mail-triage@1.3'], "lastgood deploy mail-triage@1.3 --reason 'why you do it'"],
  [['rollback', 'mail-triage', '--to', '1.1'], "lastgood rollback mail-triage --to 1.1 --reason 'why you do it'"],
  [['approve', '20261123-1'], "lastgood approve 20261123-1 --reason 'why you do it'"],
  [['approve', '20261123-1', '--deny'], "lastgood approve 20261123-1 --deny --reason 'why you do it'"],
  [['intervene', '20261123-1', 'retry'], "lastgood intervene 20261123-1 retry --reason 'why you do it'"],
  [['cancel', 'mail-triage'], "lastgood cancel mail-triage --reason 'why you do it'"],
  [
    ['breaker', 'clear', 'mail-triage', '--epoch', '1'],
    "lastgood breaker clear mail-triage --epoch 1 --reason 'why you do it'",
  ],
  [['quarantine', 'clear', 'mail-triage@1.3'], "lastgood quarantine clear mail-triage@1.3 --reason 'why you do it'"],
  [['vouch', 'mail-triage@1.2'], "lastgood vouch mail-triage@1.2 --reason 'why you do it'"],
  [['revoke', 'mail-triage@1.2'], "lastgood revoke mail-triage@1.2 --reason 'why you do it'"],
  [['pause', 'mail-triage', '--for', '30m'], "lastgood pause mail-triage --for 30m --reason 'why you do it'"],
  [['resume', 'mail-triage'], "lastgood resume mail-triage --reason 'why you do it'"],
  [['mode', 'observe', 'mail-triage'], "lastgood mode observe mail-triage --reason 'why you do it'"],
];

test.each(acts)(
  '%j without a reason ends with 64 and the exact command, and changes nothing',
  async (args, command) => {
    const before = rig.played.ledger.entries(service).length;
    const { code, out, err } = await rig.run(...args);
    expect(code).toBe(64);
    expect(out).toBe('');
    expect(err).toContain('every act needs a reason');
    expect(err).toContain(`to do: ${command}`);
    expect(rig.played.ledger.entries(service)).toHaveLength(before);
  },
);

test.each([
  [['approve'], "missing required argument 'incident'", "lastgood approve <incident> --reason 'why you do it'"],
  [['intervene', 'i-1'], "missing required argument 'action'", 'lastgood intervene <id> <action> --reason'],
  [
    ['artifacts', 'pull', service, 'v1', '--newest', '3'],
    'found both the version',
    'lastgood artifacts pull [service] [version]',
  ],
  [['stauts'], "unknown command 'stauts'", 'lastgood --help'],
])('%j says what is wrong, and how the verb is typed', async (args, words, command) => {
  const { code, err } = await rig.run(...args);
  expect(code).toBe(64);
  expect(err).toContain(words);
  expect(err).toContain(`to do: ${command}`);
});

test('a reason of blanks is none, and one that is too long is refused before it is sent', async () => {
  expect((await rig.run('resume', '--reason', '   ')).code).toBe(64);
  expect(await rig.run('resume', '--reason', 'x'.repeat(501))).toMatchObject({
    code: 64,
    err: "lastgood: --reason: found 501 characters, expected at most 500\n  to do: lastgood resume [service] --reason 'why you do it'\n",
  });
});

const wrongUses: readonly (readonly [string[], string])[] = [
  [
    ['intervene', 'i-1', 'repeat', '--reason', 'x'],
    'action: found "repeat", expected one of retry, choose, accept, abort',
  ],
  [['intervene', 'i-1', 'choose', '--reason', 'x'], 'choose needs --target VERSION'],
  [['intervene', 'i-1', 'retry', '--target', '1.2', '--reason', 'x'], 'choose needs --target VERSION'],
  [['mode', 'watch', '--reason', 'x'], 'mode: found "watch", expected one of observe, confirm, act'],
  [['pause', '--reason', 'x'], '--for is missing: a pause ends by itself'],
  [['pause', '--for', 'soon', '--reason', 'x'], '--for: found "soon", expected a duration such as 90s, 30m or 2h'],
  [['pause', '--for', '40d', '--reason', 'x'], '--for: found 40d, expected 1s to 30d'],
  [['deploy', 'a@b@c', '--reason', 'x'], 'found "a@b@c", expected SERVICE@VERSION'],
  [['breaker', 'clear', '--epoch', 'one', '--reason', 'x'], '--epoch: found "one", expected a whole number'],
  [['history', '--at', 'yesterday'], '--at: found "yesterday", expected a moment'],
  [['history', '--limit', '0'], 'expected a whole number of at least 1'],
  [['which'], 'which answer?'],
  [['which', 'r1', '--at', '1m ago'], 'which answer?'],
  [['artifacts', 'prune', '--keep', '0', '--dry-run'], '--keep: found "0", expected a whole number of at least 3'],
  [['status', '--api', 'nonsense'], '--api: found "nonsense", expected an address'],
  [['status', '--api', 'http://127.0.0.1:1'], '--api needs the token of the controller'],
  [['artifacts', 'list', '--api', 'http://127.0.0.1:1'], 'this verb works on the files of this machine'],
  [['init'], '--url is missing'],
  [['init', '--url', 'ftp://x', '--force'], '--url: found "ftp://x", expected http:// or https://'],
  [['explain', 'no-such-incident'], 'no-such-incident: found neither a service (mail-triage) nor an incident'],
  [['stauts'], "unknown command 'stauts'"],
  [['status', '--no-such-option'], "unknown option '--no-such-option'"],
  [['deploy'], "missing required argument 'service@version'"],
];

test.each(wrongUses)('%j ends with 64, names what was found and shows no stack', async (args, message) => {
  const { code, err } = await rig.run(...args);
  expect(err).toContain(message);
  expect(code).toBe(64);
  expect(err).not.toContain('    at ');
});

test('a misspelled verb is answered with the one that was meant', async () => {
  expect((await rig.run('stauts')).err).toContain('Did you mean status?');
});

test('clearing a breaker without its epoch shows which opening is in force instead of guessing', async () => {
  rig.played.state = { ...rig.played.state, breaker: { open: true, epoch: 4, openedAt: 1, incident: '20261123-1' } };
  const { code, err } = await rig.run('breaker', 'clear', '--reason', 'both were bad');
  rig.played.state = { ...rig.played.state, breaker: { open: false, epoch: 4, openedAt: null, incident: null } };
  expect(code).toBe(64);
  expect(err).toContain('open is 4, since incident 20261123-1');
  expect(err).toContain("lastgood breaker clear mail-triage --epoch 4 --reason 'both were bad'");
});

test('without a service where there are several, the command names them', async () => {
  const { writeFileSync } = await import('node:fs');
  const { readFileSync } = await import('node:fs');
  const before = readFileSync(rig.config, 'utf8');
  writeFileSync(
    rig.config,
    `${before}  other:\n    model: m\n    serving: { runtime: external, address: 'http://127.0.0.1:1' }\n`,
  );
  const { code, err } = await rig.run('rollback', '--reason', 'x');
  writeFileSync(rig.config, before);
  expect(code).toBe(64);
  expect(err).toContain('which service? found mail-triage, other, expected one of them');
  expect(err).toContain("lastgood rollback mail-triage --reason '…'");
});

test('a configuration that cannot be read is named with its place', async () => {
  const { writeFileSync, readFileSync } = await import('node:fs');
  const before = readFileSync(rig.config, 'utf8');
  writeFileSync(rig.config, 'services: [unclosed');
  const broken = await rig.run('status');
  writeFileSync(rig.config, 'dataDir: 7');
  const wrong = await rig.run('status');
  writeFileSync(rig.config, before);
  expect(broken).toMatchObject({ code: 64 });
  expect(broken.err).toContain(`${rig.config}: not YAML`);
  expect(wrong).toMatchObject({ code: 64 });
  expect(wrong.err).toContain('dataDir: found 7, expected a path');
});

test('with --json a failure is JSON too, and --verbose shows where a fault came from', async () => {
  const { code, out, err } = await rig.run('rollback', '--json', '--verbose');
  expect(code).toBe(64);
  expect(JSON.parse(out)).toMatchObject({
    error: { exitCode: 64, todo: "lastgood rollback --reason 'why you do it'" },
  });
  expect(err).toContain('    at ');
});

test('help ends with 0 and names the exit codes', async () => {
  const { code, out } = await rig.run('--help');
  expect(code).toBe(0);
  expect(out).toContain('4 not ready to roll back; 64 bad use; 69 unreachable');
});

test('moments are read as UTC, a bare date means its end, and times ago count from now', () => {
  const now = Date.UTC(2026, 10, 23, 12);
  expect(parseMoment('--at', '2026-11-23', now)).toBe(Date.UTC(2026, 10, 23, 23, 59, 59, 999));
  expect(parseMoment('--at', '2026-11-23 10:00', now)).toBe(Date.UTC(2026, 10, 23, 10));
  expect(parseMoment('--at', '2026-11-23 10:00:05 UTC', now)).toBe(Date.UTC(2026, 10, 23, 10, 0, 5));
  expect(parseMoment('--at', '2026-11-23T10:00:00+01:00', now)).toBe(Date.UTC(2026, 10, 23, 9));
  expect(parseMoment('--at', '20m ago', now)).toBe(now - 1_200_000);
  expect(() => parseMoment('--at', '2026-13-40', now)).toThrow('expected a moment');
});
