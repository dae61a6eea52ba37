/** What can be counted in an answer without understanding it. */
export interface AnswerFeatures {
  /** Code points. */
  readonly characters: number;
  readonly empty: boolean;
  /** It declines instead of answering. */
  readonly refusal: boolean;
  /** It has the expected form; null where none is expected. */
  readonly wellFormed: boolean | null;
}

export interface AnswerForm {
  /** `json`: the whole answer parses. `pattern`: a regular expression finds a place in it. */
  readonly kind: 'json' | 'pattern';
  readonly pattern?: string;
}

/** A refusal says so at once; the same words further down explain, quote, or apologise for a detail. */
const REFUSAL_WITHIN = 160;

/**
 * How models of today decline, in English. Words like "sorry" alone are no refusal. A service whose model speaks another
 * language names its own.
 */
export const REFUSAL_PATTERNS: readonly string[] = [
  "\\b(?:can ?not|can['’]t|(?:am|['’]m) (?:not able|unable)|won['’]t|will not|must decline|have to decline) (?:to )?(?:\\w+ly )?(?:assist|help|provide|fulfill?|comply|do that|create|generate|answer|support|engage|write|give|offer|participate|continue|discuss|share|make|satisfy)",
  "\\b(?:I['’]m|I am) sorry,? but\\b",
  '^(?:my apologies|sorry),? but\\b',
  "\\bas an AI (?:language )?model,? I (?:can ?not|can['’]t|am not|do not|don['’]t|must|strive)",
  "\\b(?:it is|it['’]s) (?:not (?:appropriate|ethical|possible) (?:for me )?to|against my (?:programming|guidelines))",
  '\\b(?:against|violates?) my (?:programming|guidelines|principles)',
];

export interface FeatureOptions {
  readonly form?: AnswerForm;
  /** Instead of {@link REFUSAL_PATTERNS}. */
  readonly refusals?: readonly string[];
}

/** Throws SyntaxError for a pattern that is no regular expression. */
export function featureReader(options: FeatureOptions): (answer: string) => AnswerFeatures {
  const refusals = (options.refusals ?? REFUSAL_PATTERNS).map((pattern) => new RegExp(pattern, 'iu'));
  const wellFormed = formCheck(options.form);
  return (answer) => {
    const text = answer.trim();
    const beginning = text.slice(0, REFUSAL_WITHIN);
    return {
      characters: [...text].length,
      empty: text === '',
      refusal: refusals.some((pattern) => pattern.test(beginning)),
      wellFormed: wellFormed(text),
    };
  };
}

function formCheck(form: AnswerForm | undefined): (text: string) => boolean | null {
  if (form === undefined) return () => null;
  if (form.kind === 'json') return isJson;
  const pattern = new RegExp(form.pattern ?? '', 'u');
  return (text) => pattern.test(text);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
