export type ItemAction = 'reprocess' | 'flush' | 'flag';

/**
 * What is done with the items of one pipeline that a degraded version handled. Where the pipeline is stays with the
 * controller: histories hold no addresses. What is absent has its default, because the service's state has little room.
 */
export interface PipelinePolicy {
  readonly name: string;
  readonly action: ItemAction;
  /** Absent: reversible. What was sent cannot be unsent. */
  readonly effects?: 'irreversible';
  /** A person said beforehand that irreversible effects may happen a second time. */
  readonly redo?: 'allowed';
  /** Absent: each item by itself. */
  readonly unit?: 'batch';
  /** Nothing is deleted or marked void: what would be flushed is flagged. */
  readonly legalHold?: true;
  /** Looked for so long before the onset, which is an estimate; absent: five minutes. */
  readonly beforeMs?: number;
  /** And so long after the shift, for what was under way; absent: one minute. */
  readonly afterMs?: number;
}

export const BEFORE_MS = 300_000;
export const AFTER_MS = 60_000;

/** What is really done, and why it is not what was asked for. */
export function actionOf(policy: PipelinePolicy): { readonly action: ItemAction; readonly why: string | null } {
  const { action, effects, redo, legalHold } = policy;
  if (action === 'flag') return { action, why: null };
  if (action === 'flush' && legalHold) return { action: 'flag', why: 'legal hold: nothing is deleted or marked void' };
  if (effects === 'irreversible' && action === 'flush')
    return { action: 'flag', why: 'its effects cannot be undone, so there is nothing to flush' };
  if (effects === 'irreversible' && redo !== 'allowed')
    return { action: 'flag', why: 'its effects cannot be undone, and redoing them is not allowed' };
  return { action, why: null };
}

/** When the degraded version served: all of the traffic until the shift, sessions that stayed on it until `pinnedUntil`. */
export interface ServedTimes {
  readonly onsetAt: number;
  readonly shiftedAt: number;
  /** Absent: no session stayed. */
  readonly pinnedUntil?: number;
}

/** The time in which an item may have been handled by the degraded version: [from, to). */
export function windowOf(
  policy: PipelinePolicy,
  { onsetAt, shiftedAt, pinnedUntil = 0 }: ServedTimes,
): { readonly fromMs: number; readonly toMs: number } {
  const { beforeMs = BEFORE_MS, afterMs = AFTER_MS } = policy;
  return { fromMs: Math.max(0, onsetAt - beforeMs), toMs: Math.max(shiftedAt, pinnedUntil) + afterMs };
}
