import { exposure } from '../render/explain';
import { metricValue, moment, percent, span } from '../render/words';
import type { IncidentStory } from '../story/incident-story';
import { command, list, tablePart, text, type ReportPart } from './document';

/** From when to when, split into its five parts. */
export function exposureParts(story: IncidentStory): ReportPart[] {
  const { onsetAt, detectedAt, decidedAt, preparedAt, shiftedAt, settledAt } = story.times;
  const ready = preparedAt ?? shiftedAt;
  const parts = [
    ['detect', 'from the onset until the verdict stood', onsetAt, detectedAt],
    ['decide', 'from the verdict until it was decided', detectedAt, decidedAt],
    ['prepare', 'validate, load and probe the target', decidedAt, ready],
    ['shift', 'until new requests went to the target', ready, shiftedAt],
    ['verify', 'until the target had proven itself in traffic', shiftedAt, settledAt],
  ] as const;
  const whole = onsetAt !== null && settledAt !== null ? settledAt - onsetAt : null;
  const rows = parts.map(([name, words, from, to]) => {
    const took = from === null || to === null ? null : to - from;
    return [
      name,
      words,
      from === null ? 'not known' : moment(from),
      to === null ? 'not known' : moment(to),
      took === null ? 'not known' : span(took),
      took === null || whole === null || whole <= 0 ? '–' : percent(took / whole),
    ];
  });
  // Sentences without the split: the table has it.
  const sentences = exposure(story, 0).filter((line) => !line.startsWith('detect ') && !line.startsWith('prepare '));
  if (sentences.length === 0) return [text('Nothing was moved, so there is no exposure that ended.')];
  return [...list(sentences), ...tablePart(['part', 'what it is', 'from', 'to', 'took', 'of the whole'], rows)];
}

/** Counts as far as the ledger has them, and where the others are. */
export function usersSaw(story: IncidentStory): ReportPart[] {
  const { evidence, verified, service, from, times } = story;
  const lines: string[] = [];
  if (evidence?.observed !== null && evidence?.observed !== undefined) lines.push(atTheVerdict(story));
  for (const { kind, at, summary } of story.entries)
    if (kind === 'fallback-began') lines.push(`${moment(at)}: the router moved the traffic by itself: ${summary}`);
  if (verified && !verified.byProbesOnly)
    lines.push(
      `after the shift: ${verified.goodAnswers} good answers in ${span(verified.ms)}, then it counted as well`,
    );
  if (verified?.byProbesOnly) lines.push('after the shift: no traffic; the golden probes passed');
  const began = times.onsetAt ?? times.detectedAt;
  if (began === null) return list(lines);
  return [
    ...list(lines),
    text(
      `How many requests ${from ?? 'it'} answered in all is not in the ledger; the router's answer record has it while it is kept. Which version answered in a minute:`,
    ),
    command(`lastgood which --service ${service} --at "${moment(began)}"`),
  ];
}

function atTheVerdict({ evidence }: IncidentStory): string {
  if (!evidence) return '';
  const { metric, observed, expected, samples, lcl, unit } = evidence;
  const value = (amount: number | null): string => metricValue(metric, amount, unit ?? undefined);
  const known = `${metric} was ${value(observed)}, expected ${value(expected)}`;
  if (unit !== 'ratio' || observed === null || samples === null) return `at the verdict ${known}`;
  // A share that fell is one of good answers; one that rose is one of bad ones.
  const fell = lcl !== null && observed < lcl;
  const bad = (share: number): number => Math.round((fell ? 1 - share : share) * samples);
  const usual = expected === null ? '' : `; ${bad(expected)} would have been usual`;
  return `at the verdict ${known}: about ${bad(observed)} bad of the ${samples} that it rests on${usual}`;
}
