import type { ProvenanceView } from '../../api/types';
import type { Entry } from '../types';
import { metricValue, moment, percent } from './words';

/** Under whose decision a version answered, who vouched for it, and how it was evaluated. */
export function renderProvenance(view: ProvenanceView): string[] {
  const { declared, version, reason, madeLive, decision, because, vouched, evaluation, judged, notKnown } = view;
  const { service } = declared;
  if (version === null)
    return [`${service} at ${moment(declared.at)}: nothing is known to be live: ${declared.gap ?? ''}`];
  const lines = [`${service}@${version}${live(view)}`];
  const decided = decision ?? madeLive;
  if (decided) lines.push(...told('decided', decided), ...evidence(decided));
  for (const entry of because) lines.push(...told(wordOf(entry), entry), ...(entry === decided ? [] : evidence(entry)));
  if (!decided && because.length === 0)
    lines.push(`  decided: the ledger has no decision that gives it a part of the traffic (${reason})`);
  lines.push(
    ...(vouched.length === 0 ? ['  vouched for: by nobody'] : vouched.flatMap((entry) => told('vouched for', entry))),
  );
  if (judged)
    lines.push(
      `  evaluation: ${judged.why}, ${judged.ok ? 'met' : 'did NOT meet'} the policy then (entry ${judged.seq})`,
    );
  if (evaluation?.today) {
    const { minAccuracy, minRecall, ok, why } = evaluation.today;
    lines.push(
      `  thresholds today: accuracy at least ${percent(minAccuracy)}, recall of each class at least ${percent(minRecall)}: ${ok ? 'met' : 'NOT met'} (${why})`,
    );
  }
  if (evaluation)
    lines.push(
      `  report: ${evaluation.report ? `${evaluation.report.path} ${evaluation.report.digest}` : 'none'}`,
      `  manifest: ${evaluation.manifest}`,
    );
  return [...lines, ...notKnown.map((what) => `  not known: ${what}`)];
}

function live({ declared, version, reason, madeLive }: ProvenanceView): string {
  if (reason === 'fallback') return `: the router's fallback, while ${declared.version ?? '?'} was the live version`;
  if (reason === 'share') return `: a share of the traffic, while ${declared.version ?? '?'} was the live version`;
  if (reason === 'drill') return `: the cohort of a drill, while ${declared.version ?? '?'} was the live version`;
  const since = madeLive === null ? '' : `, live since ${moment(madeLive.at)}`;
  return version === declared.version ? since : `${since}; ${declared.version ?? '?'} was live at that moment`;
}

const words: Partial<Readonly<Record<Entry['kind'], string>>> = {
  'fallback-declared': 'named beforehand',
  'fallback-began': 'and used',
  'traffic-shifted': 'share',
  'drill-shared': 'share',
  'operator-act': 'approved',
};

function wordOf({ kind }: Entry): string {
  return words[kind] ?? 'decided';
}

function told(word: string, { summary, actor, at, seq, incident, service }: Entry): string[] {
  const from = actor.from ? `, ${actor.from}` : '';
  const story = incident === null ? '' : `; lastgood explain ${incident} --service ${service}`;
  return [
    `  ${word}: ${summary}`,
    `    by ${actor.name} (${actor.proof}${from}) at ${moment(at)}, entry ${seq}${story}`,
  ];
}

/** The metric that the decision was taken on. */
function evidence({ facts }: Entry): string[] {
  const verdict = facts['verdict'] as { [name: string]: unknown } | undefined;
  if (typeof verdict !== 'object' || typeof verdict['metric'] !== 'string') return [];
  const { metric, unit, observed, expected, ucl, lcl, samples } = verdict;
  const value = (one: unknown): string =>
    metricValue(metric as string, typeof one === 'number' ? one : null, typeof unit === 'string' ? unit : undefined);
  const limit =
    typeof ucl === 'number' ? `, limit ${value(ucl)}` : typeof lcl === 'number' ? `, limit ${value(lcl)}` : '';
  return [
    `    on ${metric as string} ${value(observed)}, expected ${value(expected)}${limit}, ${String(samples)} samples`,
  ];
}
