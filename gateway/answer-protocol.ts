import { z } from 'zod';

const instant = z.number().min(0);
const epoch = z.int().min(0);

export const gapSchema = z.object({ fromMs: instant, toMs: instant, why: z.string() });

export const answerAtSchema = z.object({
  at: instant,
  /** Versions that answered within the minute around `at`, by reason. */
  versions: z.array(z.object({ version: z.string(), digest: z.string(), epoch, reason: z.string(), answers: z.int() })),
  gaps: z.array(gapSchema),
});
export type AnswersAt = z.infer<typeof answerAtSchema>;

/** Items that one version answered with success; the same id twice where it was asked twice. `at`: ms since 1970. */
const itemAnswerSchema = z.object({
  item: z.string().min(1).max(200),
  at: instant,
  requestId: z.string(),
});
export type ItemAnswer = z.infer<typeof itemAnswerSchema>;
export const itemAnswersSchema = z.object({ items: z.array(itemAnswerSchema), next: z.string().nullable() });
export type ItemAnswers = z.infer<typeof itemAnswersSchema>;
