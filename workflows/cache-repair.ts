import { CancellationScope, continueAsNew, log, setCurrentDetails, sleep, workflowInfo } from '@temporalio/workflow';
import type { Alert } from '../domain/alert';
import { cacheBehindAlert, cacheFollowsAlert } from '../domain/caches/alerts';
import type { Actor, LedgerEntry } from '../domain/ledger';
import type { CacheSettled } from './contract/activities';
import type { CacheRepairInput } from './contract/inputs';
import { control } from './proxies';
import { lostCall } from './rollback/activity-failure';
import { inBytes } from './summary';

const firstPauseMs = 5_000;
const longestPauseMs = 5 * 60_000;
/** History of one run; the next goes on from there. */
const attemptsPerRun = 200;
const machine: Actor = { name: 'lastgood', proof: 'lastgood', from: 'caches' };

/**
 * Goes on bringing a cache to the version that serves, by a durable timer, until it follows, a newer change replaces it, or
 * it is not configured any more. Nothing waits for it.
 */
export async function cacheRepairWorkflow(input: CacheRepairInput): Promise<void> {
  // It ends by itself when the cache follows; a cancel would leave a cache that serves what was left, and nobody would know.
  CancellationScope.current().cancelRequested.catch(() =>
    log.warn('a cancel is not obeyed; the cache still has to follow'),
  );
  await CancellationScope.nonCancellable(() => repair(input));
}

async function repair(input: CacheRepairInput): Promise<void> {
  const { settling } = input;
  if (input.attempts === 0) await tell(cacheBehindAlert(behind(input), settling.at));
  for (let attempt = input.attempts + 1; attempt <= input.attempts + attemptsPerRun; attempt++) {
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(attempt - 1, 10));
    await sleep(pauseMs, { summary: inBytes(`${settling.cache} is tried again, ${attempt}`) });
    const end = await tryAgain(input, attempt);
    if (end !== null) return await finish(input, end);
  }
  await continueAsNew<typeof cacheRepairWorkflow>({ ...input, attempts: input.attempts + attemptsPerRun });
}

type End = { readonly settled: CacheSettled } | { readonly gone: string };

async function tryAgain({ settling }: CacheRepairInput, attempt: number): Promise<End | null> {
  const { cache, version } = settling;
  try {
    const settled = await control.settleCache.executeWithOptions(
      { summary: inBytes(`${cache} → ${version}, ${attempt}`) },
      [settling],
    );
    return { settled };
  } catch (error) {
    const { why } = lostCall(error);
    setCurrentDetails(`**${cache}** does not follow (attempt ${attempt}): ${why}`.slice(0, 2_000));
    return why.startsWith('CacheUnknown') ? { gone: why } : null;
  }
}

async function finish(input: CacheRepairInput, end: End): Promise<void> {
  const { settling } = input;
  const { cache, service, version } = settling;
  const now = Date.now();
  const words =
    'gone' in end
      ? `is given up: ${end.gone}`
      : end.settled.outcome === 'superseded'
        ? 'has a newer change in force'
        : `follows: ${end.settled.strategy}, ${end.settled.why}`;
  const entry: LedgerEntry = {
    ...{ service, key: `${workflowInfo().workflowId}/end`, at: now, incident: input.incident, actor: machine },
    kind: 'gone' in end ? 'step-failed' : 'step-succeeded',
    summary: `cache ${cache} ${words}`.slice(0, 1_000),
    facts: {
      ...{ operation: settling.by, step: 'caches', cache, version, drop: [...settling.drop] },
      ...{ afterMs: now - settling.at, ...('settled' in end ? { ...end.settled } : { why: end.gone }) },
    },
  };
  await control.recordDecisions.executeWithOptions({ summary: inBytes(entry.summary) }, [[entry]]);
  if ('settled' in end) await tell(cacheFollowsAlert(behind(input), now, now - settling.at));
}

function behind({ settling, ...about }: CacheRepairInput): Parameters<typeof cacheBehindAlert>[0] {
  const { service, cache, version, by } = settling;
  const { incident, left, why, staleUntil } = about;
  return { service, cache, version, operation: by, incident, left, why, staleUntil };
}

/** Nobody who could be told is no reason to leave the cache as it is. */
async function tell(alert: Alert): Promise<void> {
  try {
    await control.sendAlert.executeWithOptions({ summary: inBytes(alert.title), scheduleToCloseTimeout: '1 minute' }, [
      alert,
    ]);
  } catch (error) {
    log.warn('an alert about a cache reached nobody', { key: alert.key, why: lostCall(error).why });
  }
}
