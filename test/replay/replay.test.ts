import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { replayHistories } from '../support/replay-histories';
import { quietRuntime } from '../support/service-rig';
import { workflowBundle, type WorkflowBundle } from '../support/workflow-bundle';
import { readHistory, storedHistories, textOf } from './stored-histories';
import { preloadedModules } from '../support/preloaded';

jest.setTimeout(120_000);

/**
 * The gate (I13): every stored history replays against the current code. A red test here means that services which run
 * now would stop at their next workflow task. A change of workflow code needs `patched`, a change of a rule the next
 * `rules` number with the old branch left in place; `node scripts/export-histories.mjs` is for new stories only. What is
 * called `former-…` was made by code from before a patch, and no export makes it again.
 */
const stored = storedHistories();
const files = stored.map(({ file }) => file);
const filesOf = (wanted: string): string[] => stored.filter(({ type }) => type === wanted).map(({ file }) => file);
/** Their policies keep none, so a rule about it changes nothing for them. */
const WITHOUT_STANDBY = ['several-hosts', 'stop-first', 'stop-first-back'];
const root = join(__dirname, '..', '..');

describe('stored histories', () => {
  const planted: string[] = [];
  let current: WorkflowBundle;

  beforeAll(async () => {
    quietRuntime();
    current = await workflowBundle(join(root, 'workflows', 'index.ts'));
  }, 60_000);
  afterAll(() => planted.forEach((dir) => rmSync(dir, { recursive: true, force: true })));

  /** Every story, and words that its histories hold: without them they would be of another story. */
  it.each<[string, ...RegExp[]]>([
    ['breaker', /breaker-opened/, /breakerEpoch/],
    ['deploy', /deploy-settled/],
    ['deployed-by-others', /"proof":"external"/, /foreign-change/],
    ['detection', /degradationBegan|"began":/],
    ['external-parts', /features says v4/, /not said: features/],
    ['gradual', /"weight":0\.05/],
    ['recovery', /started again from ledger and router/],
    ['rollback-emergency', /"procedure":"emergency"/],
    ['rollback-manual', /manual-rollback/],
    ['rollback-standard', /"procedure":"standard"/],
    ['selector-model', /"by":"model"/],
    ['selector-path', /"by":"path"/],
    ['several-hosts', /"leftOut"|is left out/, /takes part again/, /@there/],
    ['several-routers', /"outcome":"partial"/, /"differing":\[\{"router":"b"/, /"waiting"/],
    ['several-routers-back', /"outcome":"partial"/, /deploy/],
    ['stop-first', /"gap":\{/, /the gap is over/],
    ['stop-first-back', /"gap":\{/, /serves again by a new copy/],
    ['target-by-figures', /"rules":2/, /"distance":0\.61/],
    ['waiting-for-human', /intervene/],
  ])('of the story %s are kept, and are of that story', (story, ...words) => {
    const found = stored.filter((one) => one.story === story);
    expect(found).not.toEqual([]);
    for (const { file, bytes } of found) expect([file, bytes < 300_000]).toEqual([file, true]);
    const told = found.map(({ file }) => textOf(readHistory(file).history)).join('\n');
    expect(words.filter((word) => !word.test(told))).toEqual([]);
  });

  it.each(files)('%s replays against the current code', async (name) => {
    await replayHistories(current, [readHistory(name)]);
  });

  it('catch a service, a rollback and a detection that do one thing more than they did', async () => {
    const loops = 'this.loops.push(this.sendReports(), this.writeEntries());';
    const begun = 'const begun = new Detection(input);';
    const variant = await plant(
      ['workflows/service.ts', 'await loop.start();', 'await sleep(1); await loop.start();'],
      ['workflows/rollback/chronicle.ts', loops, `void sleep(1); ${loops}`],
      ['workflows/detection.ts', begun, `await condition(() => false, 1); ${begun}`],
    );
    for (const type of ['service', 'rollback', 'detection'])
      expect(await refusals(variant, type)).toEqual(filesOf(type));
  });

  it('catch a rule that decides otherwise under the same rules number', async () => {
    const variant = await plant([
      'domain/service/standby-keeping.ts',
      'if (state.operation || !state.declared || state.pausedWhy !== null) return;',
      'return;',
    ]);
    const withStandby = stored.filter(({ type, story }) => type === 'service' && !WITHOUT_STANDBY.includes(story));
    expect(await refusals(variant, 'service')).toEqual(withStandby.map(({ file }) => file));
  });

  /** On one worker: one for each history takes seconds on a busy machine. */
  async function refusals(workflowBundle: WorkflowBundle, type: string): Promise<string[]> {
    const refused: string[] = [];
    const names = filesOf(type);
    const told = names.map(readHistory);
    const results = Worker.runReplayHistories(
      { workflowBundle },
      told.map(({ id, history }) => ({ workflowId: id, history })),
    );
    let at = 0;
    for await (const { error } of results) {
      const name = names[at++];
      if (error === undefined || name === undefined) continue;
      // A command that does not fit is told as such, or as a machine of the SDK in a state that cannot be.
      expect(String(error)).toMatch(/TMPRL1100|[Nn]ondeterminism|Fatal error in workflow machines/);
      refused.push(name);
    }
    expect(at).toBe(names.length);
    return refused;
  }

  /** The sources with some lines changed, bundled. Bundling takes seconds. */
  async function plant(...changes: readonly [file: string, line: string, other: string][]): Promise<WorkflowBundle> {
    const dir = mkdtempSync(join(tmpdir(), 'lastgood-replay-'));
    planted.push(dir);
    for (const part of ['workflows', 'domain', 'gateway'])
      cpSync(join(root, part), join(dir, part), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
    for (const [file, line, other] of changes) {
      const source = readFileSync(join(dir, file), 'utf8');
      expect(source.split(line)).toHaveLength(2);
      writeFileSync(join(dir, file), source.replace(line, other));
    }
    const logger = new DefaultLogger('ERROR');
    const preloadModules = preloadedModules(dir);
    return await bundleWorkflowCode({ workflowsPath: join(dir, 'workflows', 'index.ts'), preloadModules, logger });
  }
});
