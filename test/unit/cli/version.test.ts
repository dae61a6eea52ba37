import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Release } from '../../../api/types';
import { main } from '../../../cli/main';
import { LEDGER_SCHEMA } from '../../../adapters/ledger/schema';
import { distDirectory, packageDirectory } from '../../../workers/program';
import { NEWEST_RULES } from '../../../workflows/contract/inputs';

async function run(...args: string[]): Promise<{ code: number; out: string }> {
  let out = '';
  const write = (line: string): void => void (out += `${line}\n`);
  const terminal = { isTerminal: false, out: write, err: write, repaint: () => undefined, now: () => 0 };
  return { code: await main(args, terminal), out };
}

test('--version says release, commit, and the numbers that must fit when releases meet, without a configuration', async () => {
  const { version } = JSON.parse(readFileSync(join(packageDirectory(), 'package.json'), 'utf8')) as { version: string };
  const { code, out } = await run('--version');
  expect(code).toBe(0);
  expect(out).toMatch(new RegExp(`^lastgood ${version.replaceAll('.', '\\.')} \\(.+\\)\n`));
  expect(out).toContain(`rules ${NEWEST_RULES}, ledger schema ${LEDGER_SCHEMA}, API v1, gateway control v1, Node `);
  const asJson = JSON.parse((await run('-V', '--json')).out) as Release;
  expect(asJson).toMatchObject({ version, rules: NEWEST_RULES, ledgerSchema: LEDGER_SCHEMA, api: 1, control: 1 });
});

test('the commit is that of the repository when it was built', async () => {
  const { commit } = JSON.parse(readFileSync(join(distDirectory(), 'build.json'), 'utf8')) as { commit: string | null };
  const git = spawnSync('git', [
    '-C',
    packageDirectory(),
    'cat-file',
    '-t',
    (commit ?? '').replace(/-dirty$|^.*-g/g, ''),
  ]);
  if (commit !== null && git.error === undefined) expect(git.stdout.toString().trim()).toBe('commit');
  expect((JSON.parse((await run('--version', '--json')).out) as Release).commit).toBe(commit);
});
