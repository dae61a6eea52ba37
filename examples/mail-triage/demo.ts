/**
 * `npm start`: the main job on real input. Starts everything on this machine, replays real mail, deploys a version whose
 * tokenizer does not fit, and tells how lastgood notices, decides, and puts the last good version back.
 *
 * Options: `--keep` leaves everything running, `--seed N`, `--data DIR` (prepared mail and versions), `--dir DIR`.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { startEmbedded, type Embedded } from '../../workers/embedded/embedded';
import { buildVersions } from './build';
import { bar, percent, rateOf, type Limits } from './demo/chart';
import { writeConfiguration } from './demo/configuration';
import { Controller, type LedgerEntry } from './demo/controller';
import { Load } from './demo/load';
import { OptionsRefused, readOptions, type DemoOptions } from './demo/options';
import { duration, exposureOf, Telling } from './demo/telling';
import { againstProbesOf } from './demo/tokens';
import { mailStream, testMails } from './stream';

const SERVICE = 'mail-triage';
const PER_SECOND = 50;
const LABEL_DELAY_MS = { min: 3_000, max: 6_000 };
const GOOD_HISTORY_MS = 45_000;
const DETECTION_LIMIT_MS = 90_000;
/** Labels are up to 6 s late and the chart looks 10 s back. */
const RECOVERY_MS = 18_000;
const CHART_EVERY_MS = 2_000;
const CHART_WINDOW_MS = 10_000;
const WATCHED_CLASS = 'bulk';

const tell = new Telling(process.stdout);

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  const dataDir = resolve(options.data);
  const runDir = resolve(options.dir);
  tell.bare(
    'lastgood keeps a model endpoint on its last known good version. This is the whole job on one machine, on real',
  );
  tell.bare('e-mail in three classes: spam, bulk (wanted newsletters and feeds), discussion. Nothing is simulated.');

  tell.chapter('Prepare');
  const built = await buildVersions({
    out: join(dataDir, 'versions'),
    data: dataDir,
    onProgress: (line) => tell.line(line, 'quiet'),
  });
  tell.line(
    `five real model versions are ready${built.built ? ' (trained just now)' : ''}: ${built.versions.map(({ version }) => version).join(', ')}`,
  );
  const mails = await testMails(dataDir);

  const configFile = writeConfiguration(runDir, SERVICE);
  const embedded = await startEmbedded({
    configFile,
    policyFile: join(__dirname, 'demo.policy.yaml'),
    onProgress: (line) => tell.line(line, 'quiet'),
  });
  let stopping: Promise<void> | null = null;
  const stop = (): Promise<void> => (stopping ??= options.keep ? embedded.release() : embedded.stop());
  const interrupted = (): void => {
    tell.line('interrupted: stops everything it started', 'bad');
    void embedded.stop().then(() => process.exit(130));
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    return await story(embedded, built.versions, mails, options);
  } finally {
    if (options.keep)
      tell.line(`everything goes on running (--keep); npm run -s lastgood -- up --config ${configFile} takes it over`);
    else tell.line('stops everything it started', 'quiet');
    await stop();
    tell.line(options.keep ? 'left running' : 'nothing is left running', 'quiet');
  }
}

async function story(
  embedded: Embedded,
  versions: readonly { version: string; directory: string }[],
  mails: Awaited<ReturnType<typeof testMails>>,
  options: DemoOptions,
): Promise<number> {
  const { seed } = options;
  const controller = new Controller(embedded.apiSocket, SERVICE);
  for (const { version, directory } of versions.filter(({ version: name }) => name !== '1.4')) {
    await controller.importArtifact(directory);
    tell.line(`imported ${version}: every file checked against its manifest`, 'quiet');
  }
  await act(controller, 'vouch', { version: '1.1', reason: 'demo: the release that people trust' });
  await act(controller, 'deploy', { version: '1.2', reason: 'demo: the good release' });
  await until('1.2 is live', 60_000, async () => {
    const state = (await controller.status()).status?.state;
    return state?.declared?.primary === '1.2' && state.operation === null;
  });

  tell.chapter(
    `Good history: 1.2 serves ${PER_SECOND} real mails a second (seed ${seed}), true labels ${LABEL_DELAY_MS.min / 1000}–${LABEL_DELAY_MS.max / 1000} s late`,
  );
  tell.bare(
    `          share recognised in the last ${CHART_WINDOW_MS / 1000} s of labels, 60–100 %; ┊ lower limit, ● inside, ◆ outside`,
  );
  const load = new Load({
    entrance: embedded.entrance(SERVICE),
    mails: mailStream(mails, seed),
    perSecond: PER_SECOND,
    labelDelayMs: LABEL_DELAY_MS,
    seed,
    sendLabels: (items) => controller.feedback(items),
  });
  load.start();
  const chart = new Chart(load, controller);
  await pause(GOOD_HISTORY_MS, () => chart.draw());

  const release = versions.find(({ version }) => version === '1.3');
  tell.chapter(`Release: 1.3 ${evaluationOf(release?.directory ?? '')} and its golden probes, and goes live`);
  const trusted = versions.find(({ version }) => version === '1.2');
  const compared = await againstProbesOf(trusted?.directory ?? '', release?.directory ?? '');
  tell.line(
    `its release job wrote the token ids of its probes too; asked with the probes of 1.2: ${compared}`,
    'quiet',
  );
  const before = (await controller.ledgerAfter(0)).length;
  await act(controller, 'deploy', { version: '1.3', reason: 'demo: the next release' });
  const end = await follow(controller, chart, before);
  tell.line('the labels of the last answers of 1.3 still come in; then the chart is that of 1.2 again', 'quiet');
  await pause(RECOVERY_MS, () => chart.draw());
  await load.stop();
  return report(embedded, load, end, options);
}

/** Follows the ledger until the rollback has settled; draws the chart meanwhile. */
async function follow(controller: Controller, chart: Chart, after: number): Promise<LedgerEntry | null> {
  const deadline = Date.now() + DETECTION_LIMIT_MS;
  let seen = after;
  let nextChart = 0;
  while (Date.now() < deadline) {
    for (const entry of await controller.ledgerAfter(seen)) {
      seen = entry.seq;
      narrate(entry);
      if (entry.kind === 'settled') return entry;
    }
    if (Date.now() >= nextChart) {
      nextChart = Date.now() + CHART_EVERY_MS;
      await chart.draw();
    }
    await sleep(200);
  }
  return null;
}

/** The decisions as they are written: each line stands in the ledger. */
function narrate(entry: LedgerEntry): void {
  const quiet = ['standby-changed', 'fallback-declared', 'fallback-withdrawn', 'standing-changed', 'instance-retired'];
  if (quiet.includes(entry.kind)) return;
  if (entry.kind === 'degradation-began') {
    tell.chapter('Noticed');
    tell.line(entry.summary, 'bad');
    const reasons = Array.isArray(entry.facts['reasons']) ? entry.facts['reasons'].map(String) : [];
    tell.line(`cause: ${String(entry.facts['attribution'])}`, 'bad');
    for (const reason of reasons) tell.line(`  ${reason}`);
    return;
  }
  if (entry.kind === 'rollback-decided') tell.chapter('Rolled back, each step after the one before it succeeded');
  tell.line(`${entry.kind.padEnd(18)} ${entry.summary}`, entry.kind === 'settled' ? 'good' : 'plain');
}

/** What the release says of itself: the report that its training job wrote. */
function evaluationOf(directory: string): string {
  const report = JSON.parse(readFileSync(join(directory, 'evaluation.json'), 'utf8')) as {
    readonly accuracy: number;
    readonly n: number;
    readonly byClass: Readonly<Record<string, { readonly recall: number }>>;
  };
  const share = (rate: number): string => `${(rate * 100).toFixed(1)} %`;
  const recall = share(report.byClass[WATCHED_CLASS]?.recall ?? Number.NaN);
  return `passed its evaluation (${share(report.accuracy)} of ${report.n} mails right, recall of ${WATCHED_CLASS} ${recall})`;
}

function report(embedded: Embedded, load: Load, settled: LedgerEntry | null, options: DemoOptions): number {
  const { counts } = load;
  tell.chapter('What it cost the users');
  const exposure = settled ? exposureOf(settled) : null;
  if (exposure) {
    tell.line(
      `exposed ${duration(exposure.total)} (onset → restored); settled ${duration(exposure.parts.reduce((sum, part) => sum + part.ms, 0))} after the onset`,
      'good',
    );
    tell.line(exposure.parts.map(({ name, ms }) => `${name} ${duration(ms)}`).join('   '));
  } else {
    tell.line(`no rollback settled within ${DETECTION_LIMIT_MS / 1000} s of the release`, 'bad');
  }
  const lost = counts.dropped + counts.failed;
  tell.line(
    `requests sent ${counts.sent}, answered ${counts.answered}, failed ${counts.failed}, dropped ${counts.dropped}`,
    lost === 0 ? 'good' : 'bad',
  );
  tell.chapter('Where to look next');
  if (embedded.temporalUi)
    tell.line(
      `Temporal UI   ${embedded.temporalUi}/namespaces/lastgood/workflows${options.keep ? '' : '  (with --keep)'}`,
    );
  const config = join(options.dir, 'lastgood.yaml');
  tell.line(
    `the story     npm run -s lastgood -- explain ${settled?.incident ?? SERVICE} --config ${config}${options.keep ? '' : '  (with --keep)'}`,
  );
  tell.line(`decisions, alerts and logs: ${embedded.logDir}`);
  return exposure !== null && lost === 0 ? 0 : 1;
}

/** Draws a step of the control chart with the limits that lastgood itself uses. */
class Chart {
  /** Right after a deploy the limits of the version before it judge the new one, and the status names none yet. */
  private readonly inForce = new Map<string, Limits>();

  constructor(
    private readonly load: Load,
    private readonly controller: Controller,
  ) {}

  async draw(): Promise<void> {
    const state = (await this.controller.status()).status?.state;
    const limitsOf = (metric: string): Limits | null => {
      const tier = state?.tiers.find((reading) => reading.metric === metric);
      if (tier && tier.limit !== null && tier.expected !== null)
        this.inForce.set(metric, { expected: tier.expected, limit: tier.limit });
      return this.inForce.get(metric) ?? null;
    };
    const from = Date.now() - CHART_WINDOW_MS;
    const one = rateOf(this.load.labelled, from, WATCHED_CLASS);
    const all = rateOf(this.load.labelled, from, null);
    if (all.n === 0) return;
    const live = state?.declared?.primary ?? '?';
    const classLimits = limitsOf(`recall:${WATCHED_CLASS}`);
    const allLimits = limitsOf('accuracy');
    tell.line(
      `${live.padEnd(4)} ${WATCHED_CLASS} ${bar(one.rate, classLimits)} ${percent(one.rate)}   all ${bar(all.rate, allLimits)} ${percent(all.rate)}   ${this.load.counts.sent} sent, ${this.load.counts.dropped + this.load.counts.failed} lost`,
    );
  }
}

async function act(controller: Controller, name: string, body: Record<string, unknown>): Promise<void> {
  const answer = await controller.act(name, { requestId: `demo-${name}-${String(body['version'])}`, ...body });
  if (answer.decision !== 'accepted') throw new Error(`${name}: ${answer.why}`);
  tell.line(`${name} ${String(body['version'])}: ${answer.why}`);
}

async function until(what: string, limitMs: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${limitMs / 1000} s`);
    await sleep(200);
  }
}

async function pause(ms: number, meanwhile: () => Promise<void>): Promise<void> {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    await sleep(Math.min(CHART_EVERY_MS, Math.max(1, end - Date.now())));
    await meanwhile();
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms));
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (error instanceof OptionsRefused) {
      process.stderr.write(`${error.message}\n`);
      process.exit(64);
    }
    tell.line(error instanceof Error ? error.message : String(error), 'bad');
    process.exit(1);
  },
);
