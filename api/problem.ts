import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import type { Problem } from './types';

/** A request that cannot be done; becomes a {@link Problem}. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    readonly status: number,
    readonly title: string,
    detail: string,
  ) {
    super(detail);
  }
}

export const badRequest = (detail: string): ApiError => new ApiError(400, 'The request cannot be read', detail);
export const notFound = (detail: string): ApiError => new ApiError(404, 'There is no such thing', detail);
/** Of something that is configured, not recorded: whoever asked has misspelt it. */
export const UNKNOWN_NAME = 'There is no such name';
export const unknownName = (detail: string): ApiError => new ApiError(404, UNKNOWN_NAME, detail);
export const unavailable = (detail: string): ApiError => new ApiError(503, 'Not available now', detail);

export function sendProblem(reply: FastifyReply, status: number, title: string, detail: string): FastifyReply {
  const problem: Problem = { type: 'about:blank', title, status, detail };
  return reply.code(status).type('application/problem+json').send(problem);
}

/** Reads one part of a request; the problem names the field, what was found and what was expected. */
export function read<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const lines = result.error.issues.slice(0, 10).map((issue) => {
    const at = issue.path.length === 0 ? where : `${where}.${issue.path.join('.')}`;
    return `${at}: ${foundText(issue.input)}${issue.message}`;
  });
  throw badRequest(lines.join('; '));
}

/** Single values only: a whole body would hide what is wrong with it. */
function foundText(input: unknown): string {
  if (input === undefined) return 'is missing: ';
  if (typeof input === 'object' && input !== null) return '';
  return `found ${JSON.stringify(input).slice(0, 80)}: `;
}
