/**
 * Golden probes: a few mails whose class is beyond doubt. They prove that a version runs and is the right one; they
 * cannot prove that it is good, and the labels of these eight are right with the wrong tokenizer too, as those of short,
 * typical mails are. Their token ids are not: a probe that carries those of the training's tokenizer finds the wrong one.
 */
import { CLASSES, type Mail, type MailClass } from './corpus';
import { sha256 } from './canonical';
import { features, tokenIds } from './features';
import { inferenceRequest, type InferenceRequest } from './inference-protocol';
import { classifyVector, type LinearModel } from './model';
import type { TokenizerConfig } from './tokenizer';

export interface Probe {
  id: string;
  request: InferenceRequest;
  expect: { output: 'label'; value: MailClass; tokens?: { count: number; sha256: string } };
}

const COUNT: Record<MailClass, number> = { spam: 3, bulk: 2, discussion: 3 };
const MIN_CHARACTERS = 200;
const MAX_CHARACTERS = 3000;
const MIN_SCORE = 0.6;

/** Operators read the probes in alerts and reports. */
const UNSUITABLE = /adult|sex|porn|xxx|nude|celebrit|viagra|\ufffd/i;

/**
 * Chooses eight mails that every model labels correctly, with each of the tokenizers.
 * @throws Error when a class has too few such mails
 */
export function chooseProbes(
  mails: readonly Mail[],
  models: readonly LinearModel[],
  tokenizers: readonly TokenizerConfig[],
  vectorOf: typeof features = features,
): Probe[] {
  const chosen = CLASSES.flatMap((label) => {
    const fitting: Mail[] = [];
    for (const mail of mails) {
      if (fitting.length === COUNT[label]) break;
      if (mail.label !== label || mail.text.length < MIN_CHARACTERS || mail.text.length > MAX_CHARACTERS) continue;
      if (UNSUITABLE.test(mail.text)) continue;
      const sure = models.every((model) =>
        tokenizers.every((tokenizer) => {
          const prediction = classifyVector(model, vectorOf(mail.text, tokenizer));
          return prediction.label === label && prediction.score >= MIN_SCORE;
        }),
      );
      if (sure) fitting.push(mail);
    }
    if (fitting.length < COUNT[label]) throw new Error(`probes: only ${fitting.length} undoubted mails of ${label}`);
    return fitting;
  });
  return chosen.map((mail, index) => ({
    id: `p${index + 1}`,
    request: inferenceRequest(mail.text),
    expect: { output: 'label', value: mail.label },
  }));
}

/** The probes with the ids that a tokenizer makes of them: their number, and SHA-256 of them as a JSON array. */
export function withTokens(probes: readonly Probe[], tokenizer: TokenizerConfig): Probe[] {
  return probes.map(({ id, request, expect }) => {
    const ids = Array.from(tokenIds(request.inputs[0]?.data[0] ?? '', tokenizer));
    const tokens = { count: ids.length, sha256: sha256(JSON.stringify(ids)) };
    return { id, request, expect: { ...expect, tokens } };
  });
}
