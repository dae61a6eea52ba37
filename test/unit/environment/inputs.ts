import { seededUniform } from '../../../domain/detection/seeded-random';
import { reduceInput, type ReducedInput } from '../../../domain/environment/input-fields';

export const startMs = Date.UTC(2026, 4, 1, 12);

export interface Loan {
  age?: number | string | null;
  income?: number;
  country?: string;
  note?: string;
  [more: string]: unknown;
}

/** Requests of a credit score, one a second; `change` makes another one of what is usual. */
export function loans(
  count: number,
  options: { seed?: number; fromMs?: number; everyMs?: number; change?: (loan: Loan, at: number) => Loan } = {},
): ReducedInput[] {
  const uniform = seededUniform(options.seed ?? 1);
  const { fromMs = startMs, everyMs = 1_000, change = (loan) => loan } = options;
  return Array.from({ length: count }, (_, at) => {
    const loan: Loan = {
      age: 18 + Math.floor(uniform() * 60),
      income: Math.round(20_000 * (1 + uniform() + uniform())),
      country: ['de', 'fr', 'it', 'es'][Math.floor(uniform() ** 2 * 4)] ?? 'de',
      note: 'x'.repeat(5 + Math.floor(uniform() * 40)) + String(at),
    };
    return jsonInput(change(loan, at), fromMs + at * everyMs);
  });
}

export function jsonInput(body: unknown, atMs = startMs): ReducedInput {
  return reduceInput({
    atMs,
    path: '/v2/models/loan/infer',
    contentType: 'application/json',
    body: JSON.stringify(body),
  });
}
