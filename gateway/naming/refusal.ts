/** Why a request cannot be sent to the version it is for; the caller's to change. */
export interface Refusal {
  readonly status: 400 | 404 | 413 | 415;
  /** One word for programs. */
  readonly reason: string;
  readonly detail: string;
}

const QUOTED_MAX = 80;

/** What a client sent, short enough for an answer. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}…` : text);
}

/** Paths that say nothing of a version and change nothing; asked by load balancers and clients, with GET or HEAD. */
const HEALTH = new Set(['/health', '/ping', '/version', '/v2', '/v2/health/live', '/v2/health/ready']);

/** A question for the health of the server, which every version at the address may answer. */
export function asksForHealth(method: string, path: string): boolean {
  return (method === 'GET' || method === 'HEAD') && HEALTH.has(path);
}
