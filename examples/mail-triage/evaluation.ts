/** The evaluation report: recall and precision by class, and recall by source folder, where the weak spots hide. */
import { CLASSES, type Mail, type MailClass } from './corpus';

export interface EvaluationReport {
  schema: 1;
  classes: MailClass[];
  accuracy: number;
  n: number;
  byClass: Record<string, { n: number; recall: number; precision: number }>;
  bySource: Record<string, { n: number; recall: number }>;
  /** ISO 8601. */
  evaluatedAt: string;
  /** `sha256:` of the mails that were evaluated. */
  dataDigest: string;
}

export interface EvaluationStamp {
  evaluatedAt: string;
  dataDigest: string;
}

/**
 * Rates are rounded to six decimals. A class that was never predicted has precision 0.
 * @param labelOf what the model answers to a mail's text
 */
export function evaluate(
  mails: readonly Mail[],
  labelOf: (text: string) => MailClass,
  stamp: EvaluationStamp,
): EvaluationReport {
  const predicted = mails.map((mail) => labelOf(mail.text));
  const right = mails.map((mail, index) => predicted[index] === mail.label);
  const recallOf = (which: (mail: Mail) => boolean): { n: number; recall: number } => {
    const chosen = mails.flatMap((mail, index) => (which(mail) ? [right[index] === true] : []));
    return { n: chosen.length, recall: ratio(chosen.filter(Boolean).length, chosen.length) };
  };
  const byClass: EvaluationReport['byClass'] = {};
  for (const label of CLASSES) {
    const claimed = predicted.flatMap((guess, index) => (guess === label ? [right[index] === true] : []));
    const precision = ratio(claimed.filter(Boolean).length, claimed.length);
    byClass[label] = { ...recallOf((mail) => mail.label === label), precision };
  }
  const sources = [...new Set(mails.map((mail) => mail.source))].sort();
  const bySource = Object.fromEntries(sources.map((source) => [source, recallOf((mail) => mail.source === source)]));
  return {
    schema: 1,
    classes: [...CLASSES],
    accuracy: ratio(right.filter(Boolean).length, mails.length),
    n: mails.length,
    byClass,
    bySource,
    ...stamp,
  };
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 1e6) / 1e6;
}
