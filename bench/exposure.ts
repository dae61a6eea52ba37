import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { durationText } from '../domain/detection/verdict';
import { runEpisode, reset, type Episode } from './exposure/episode';
import type { FaultName } from './exposure/faults';
import { Bench, pause, TRUSTED, type State } from './exposure/installation';
import { planOf, type Plan } from './exposure/options';
import { MIN_REQUESTS, rowsOf, type Made } from './exposure/rows';
import { missingRow, NotMeasured, row, type Bench as Benchmark, type Row } from './report';

/** Good history is made at this rate, so that every class has enough labels. */
const HISTORY_PER_SECOND = 50;

/** How long users meet a broken version: faults in a live process, from their moment to restored and settled. */
export const bench: Benchmark = async ({ seed, dataDir, more, say }) => {
  const plan = planOf(more);
  if (plan.short)
    say(`short run: ${plan.episodes} episodes of ${plan.faults.join(', ')}; --episodes 20 is the full one`);
  const began = performance.now();
  const installed = await Bench.start({ dataDir: dataDir ?? join('.cache', 'mail-triage'), seed, say });
  const interrupted = (): void => void installed.stop().then(() => process.exit(130));
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    const historyRequests = await goodHistory(installed, plan.historyMs, say);
    const clean = await cleanRun(installed, plan.cleanMs, say);
    sayCharts(installed, say);
    const made = await allEpisodes(installed, plan, say);
    const count = [...made.values()].reduce((sum, { episodes }) => sum + episodes.length, 0);
    say(`${count} episodes in ${durationText(performance.now() - began)}`);
    const { falseAlarmDays } = installed.policy.detection;
    const rows = plan.faults.flatMap((fault) =>
      rowsOf(fault, made.get(fault) ?? { episodes: [], failures: [] }, { falseAlarmDays, historyRequests }),
    );
    return { policy: installed.settings, rows: [...rows, clean] };
  } finally {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
    await installed.stop();
  }
};

async function allEpisodes(
  installed: Bench,
  { faults, episodes: count, out }: Plan,
  say: (line: string) => void,
): Promise<Map<FaultName, Made>> {
  const made = new Map<FaultName, Made>();
  for (const fault of faults) {
    const episodes: Episode[] = [];
    const failures: string[] = [];
    made.set(fault, { episodes, failures });
    for (let number = 1; number <= count; number += 1) {
      try {
        const episode = await runEpisode(installed, fault, number);
        episodes.push(episode);
        if (out !== null) appendFileSync(out, `${JSON.stringify(episode)}\n`);
        say(lineOf(episode));
      } catch (error) {
        if (!(error instanceof NotMeasured)) throw error;
        failures.push(error.message);
        say(`${fault} ${number}: not measured: ${error.message}`);
      }
    }
  }
  return made;
}

/** Once: the trusted version serves well long enough to have a history, then the release that will be broken. */
async function goodHistory(installed: Bench, historyMs: number, say: (line: string) => void): Promise<number> {
  await installed.act('vouch', { version: TRUSTED });
  await installed.act('deploy', { version: TRUSTED });
  await installed.until(`${TRUSTED} is live`, live(TRUSTED), 90_000);
  await installed.load.rate(HISTORY_PER_SECOND);
  say(`good history: ${durationText(historyMs)} at ${HISTORY_PER_SECOND} requests a second`);
  await pause(historyMs);
  const { records } = await installed.load.read();
  await reset(installed, 'killed');
  return records.length;
}

/** Good traffic on the same policy, the history before it included: every rollback in it is a false one. */
async function cleanRun(installed: Bench, cleanMs: number, say: (line: string) => void): Promise<Row> {
  const first = (await installed.load.read()).records.length;
  await pause(cleanMs);
  const decided = await installed.entries(['rollback-decided'], 0);
  const requests = (await installed.load.read()).records.length - first;
  say(`clean: ${requests} requests in ${durationText(cleanMs)}, ${decided.length} rollbacks since the start`);
  if (requests < MIN_REQUESTS)
    return missingRow('clean.false_rollbacks', '', `only ${requests} requests`, { better: 'zero' });
  return row('clean.false_rollbacks', '', decided.length, [decided.length], { better: 'zero' });
}

/** The charts that the policy puts in force; one of a class rate is a chart for each class. */
function sayCharts({ policy }: Bench, say: (line: string) => void): void {
  const { falseAlarmDays, metrics } = policy.detection;
  const charts = metrics.map(({ metric, tier, kind }) => `${metric} (${kind}, ${tier})`);
  say(`charts in force, each with at most one false alarm in ${falseAlarmDays} days: ${charts.join(', ')}`);
}

function live(version: string): (state: State) => boolean {
  return ({ declared, operation }) => declared?.primary === version && operation === null;
}

function lineOf(episode: Episode): string {
  const { fault, number, restoredMs, settledMs, shiftedMs, stages, metric, expected, outcome } = episode;
  const ms = (value: number | null): string => (value === null ? '–' : `${Math.round(value)} ms`);
  const calls = (name: keyof typeof stages): string => {
    const names = episode.roundTrips?.[name] ?? [];
    return names.length === 0 ? '' : ` [${names.join(' ')}]`;
  };
  const parts = Object.entries(stages).map(
    ([name, value]) => `${name} ${ms(value)}${calls(name as keyof typeof stages)}`,
  );
  return (
    `${fault} ${number}: restored ${ms(restoredMs)} (ledger: shifted ${ms(shiftedMs)}), ` +
    `${outcome} ${ms(settledMs)}; ${parts.join(', ')}; ${metric ?? 'no chart'} expected ${expected ?? '–'}; ` +
    `${episode.sent} sent, ${episode.failed} failed, ${episode.dropped} dropped`
  );
}
