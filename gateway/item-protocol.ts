import { z } from 'zod';

/** Items that one version answered with success; the same id twice where it was asked twice. `at`: ms since 1970. */
const itemAnswerSchema = z.object({
  item: z.string().min(1).max(200),
  at: z.number().min(0),
  requestId: z.string(),
});
export type ItemAnswer = z.infer<typeof itemAnswerSchema>;
export const itemAnswersSchema = z.object({ items: z.array(itemAnswerSchema), next: z.string().nullable() });
export type ItemAnswers = z.infer<typeof itemAnswersSchema>;
