import type { AnswerLookup, AnswersAt, ProvenanceView } from '../../api/types';
import type { Entry } from '../types';
import { renderProvenance } from './provenance';
import { fineClock, moment, plural, span, table } from './words';

const reasons: Readonly<Record<string, string>> = {
  primary: 'it was the live version',
  pin: 'its session was pinned to it',
  fallback: 'the live version did not answer, the router used its fallback',
  share: 'a part of the requests went there',
  drill: 'it belonged to a drill',
};

/** Which version answered one request. */
export function renderAnswer(id: string, lookup: AnswerLookup): string[] {
  if (!lookup.known)
    return [
      `${id}: unknown: ${lookup.why}`,
      ...lookup.gaps.map((gap) => `  lost from ${moment(gap.fromMs)} to ${moment(gap.toMs)}: ${gap.why}`),
    ];
  const { answer } = lookup;
  const predicted =
    answer.class === null ? '' : `, said ${answer.class}${answer.score === null ? '' : ` (${answer.score})`}`;
  return [
    `${answer.service}@${answer.version} answered ${id}`,
    `  at ${moment(answer.at)} (${fineClock(answer.at)}), status ${answer.status} in ${span(answer.ms)}${predicted}`,
    `  why this one: ${reasons[answer.reason] ?? answer.reason} (epoch ${answer.epoch})`,
    `  copy ${answer.instance}, digest ${answer.digest}`,
  ];
}

/** Which versions answered about a moment. */
export function renderAnswersAt(service: string, found: AnswersAt): string[] {
  const gaps = found.gaps.map((gap) => `  lost from ${moment(gap.fromMs)} to ${moment(gap.toMs)}: ${gap.why}`);
  if (found.versions.length === 0)
    return [`${service} at ${moment(found.at)}: unknown: no answer is on record in that minute`, ...gaps];
  const rows = found.versions.map(({ version, reason, epoch, answers, digest }) => [
    `${service}@${version}`,
    reason,
    `epoch ${epoch}`,
    plural(answers, 'answer'),
    digest,
  ]);
  return [`${service} in the minute around ${moment(found.at)}:`, ...table(rows, '  '), ...gaps];
}

/** Every version that was live on a day, oldest first, and what answered beside it. */
export function renderDay(
  service: string,
  {
    day,
    lived,
    beside,
  }: { readonly day: string; readonly lived: readonly ProvenanceView[]; readonly beside: readonly Entry[] },
): string[] {
  if (lived.length === 0) return [`${service} on ${day}: unknown: the ledger declares no route up to then`];
  return [
    `${service} on ${day} (UTC), by the ledger:`,
    ...lived.flatMap((one) => ['', ...renderProvenance(one)]),
    ...(beside.length === 0 ? [] : ['', 'beside the live version:']),
    ...beside.map(({ at, summary, seq }) => `  ${moment(at)}  ${summary} (entry ${seq})`),
  ];
}
