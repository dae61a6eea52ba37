import type { Answer } from './messages';
import type { ServiceState } from './state';
import type { Turn } from './turn';

const REMEMBERED_REQUESTS = 1000;

/** What was decided on the same request, which is answered and not done again; null for a new one. */
export function answeredBefore(state: ServiceState, requestId: string): Answer | null {
  const before = state.answered.find(([id]) => id === shortId(requestId));
  if (!before) return null;
  const [, decision, entry] = before;
  return {
    requestId,
    decision: decision === 'a' ? 'accepted' : 'refused',
    why: `this request was decided before (ledger key service/${state.service}/${entry})`,
    reference: null,
    repeated: true,
    plan: [],
  };
}

export function remember(turn: Turn, requestId: string, decision: 'a' | 'r'): void {
  const { state } = turn;
  state.answered = [...state.answered, [shortId(requestId), decision, state.counters.ledger] as const].slice(
    -REMEMBERED_REQUESTS,
  );
}

/**
 * A thousand ids of 64 characters would take half of the state (I15). A long one is kept as two independent sums of all
 * its characters (FNV-1a and a polynomial), 64 bits together.
 */
function shortId(requestId: string): string {
  if (requestId.length <= 16) return requestId;
  let fnv = 2_166_136_261;
  let sum = 7;
  for (let at = 0; at < requestId.length; at++) {
    fnv = Math.imul(fnv ^ requestId.charCodeAt(at), 16_777_619);
    sum = (Math.imul(sum, 31) + requestId.charCodeAt(at)) | 0;
  }
  return `~${(fnv >>> 0).toString(36)}.${(sum >>> 0).toString(36)}`;
}
