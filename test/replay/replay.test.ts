import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { temporal } from '@temporalio/proto';
import { quietRuntime } from '../support/service-rig';

jest.setTimeout(120_000);

/**
 * The gate (I13): every stored history replays against the current code. A red test here means that services which run
 * now would stop at their next workflow task. A change of workflow code needs `patched`, a change of a rule the next
 * `rules` number with the old branch left in place; `node scripts/export-histories.mjs` is for new stories only. What is
 * called `former-…` was made by code from before a patch, and no export makes it again.
 */
const folder = join(__dirname, 'histories');
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
const root = join(__dirname, '..', '..');

describe('stored histories', () => {
  const planted: string[] = [];
  let current: WorkflowBundleWithSourceMap;

  beforeAll(async () => {
    quietRuntime();
    current = await bundled(root);
  }, 60_000);
  afterAll(() => planted.forEach((dir) => rmSync(dir, { recursive: true, force: true })));

  it('are there for every main story', () => {
    const told = new Set(files.map((name) => name.replace(/-\d+-[a-z]+\.json$/, '')));
    expect([...told].sort()).toEqual(
      expect.arrayContaining([
        'breaker',
        'deploy',
        'detection',
        'gradual',
        'recovery',
        'rollback-emergency',
        'rollback-manual',
        'rollback-standard',
        'waiting-for-human',
      ]),
    );
    for (const name of files) expect([name, statSync(join(folder, name)).size < 300_000]).toEqual([name, true]);
  });

  it.each(files)('%s replays against the current code', async (name) => {
    const { id, history } = read(name);
    await Worker.runReplayHistory({ workflowBundle: current }, history, id);
  });

  it('catch a workflow that does one thing more than it did', async () => {
    const variant = await plant('workflows/service.ts', 'await loop.start();', 'await sleep(1); await loop.start();');
    expect(await refusals(variant, 'service')).toEqual(files.filter((name) => name.endsWith('-service.json')));
  });

  it('catch a rule that decides otherwise under the same rules number', async () => {
    const variant = await plant(
      'domain/service/standby-keeping.ts',
      'if (state.operation || !state.declared || state.pausedWhy !== null) return;',
      'return;',
    );
    expect(await refusals(variant, 'service')).toEqual(files.filter((name) => name.endsWith('-service.json')));
  });

  it('catch a rollback and a detection that do one thing more', async () => {
    const loops = 'this.loops.push(this.sendReports(), this.writeEntries());';
    const rollback = await plant('workflows/rollback/chronicle.ts', loops, `void sleep(1); ${loops}`);
    expect(await refusals(rollback, 'rollback')).toEqual(files.filter((name) => name.endsWith('-rollback.json')));
    const line = 'const begun = new Detection(input);';
    const detection = await plant('workflows/detection.ts', line, `await condition(() => false, 1); ${line}`);
    expect(await refusals(detection, 'detection')).toEqual(files.filter((name) => name.endsWith('-detection.json')));
  });

  async function refusals(workflowBundle: WorkflowBundleWithSourceMap, type: string): Promise<string[]> {
    const refused: string[] = [];
    for (const name of files.filter((file) => file.endsWith(`-${type}.json`))) {
      const { id, history } = read(name);
      await Worker.runReplayHistory({ workflowBundle }, history, id).catch((error: unknown) => {
        // A command that does not fit is told as such, or as a machine of the SDK in a state that cannot be.
        expect(String(error)).toMatch(/TMPRL1100|[Nn]ondeterminism|Fatal error in workflow machines/);
        refused.push(name);
      });
    }
    return refused;
  }

  /** The sources with one line changed, bundled. */
  async function plant(file: string, line: string, other: string): Promise<WorkflowBundleWithSourceMap> {
    const dir = mkdtempSync(join(tmpdir(), 'lastgood-replay-'));
    planted.push(dir);
    for (const part of ['workflows', 'domain', 'gateway'])
      cpSync(join(root, part), join(dir, part), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
    const source = readFileSync(join(dir, file), 'utf8');
    expect(source.split(line)).toHaveLength(2);
    writeFileSync(join(dir, file), source.replace(line, other));
    return await bundled(dir);
  }
});

async function bundled(dir: string): Promise<WorkflowBundleWithSourceMap> {
  return await bundleWorkflowCode({
    workflowsPath: join(dir, 'workflows', 'index.ts'),
    logger: new DefaultLogger('ERROR'),
  });
}

function read(name: string): { id: string; history: temporal.api.history.v1.IHistory } {
  const { id, history } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { id: string; history: string };
  return { id, history: temporal.api.history.v1.History.decode(Buffer.from(history, 'base64')) };
}
