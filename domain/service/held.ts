import { placesOf } from '../detection/where-to-look';
import { endCommand } from './operations';
import { mark, openIncident, verdictFacts } from './incident';
import { sinceWords, usersNow } from './messages-for-people';
import type { StandingDegradation } from './state';
import { rankFor } from './target-choice';
import { environmentSo, heldSo, isNews } from './told';
import type { Turn } from './turn';

/** On record where nobody was told, because people were within the hour before. */
const toldBefore = { toldBefore: true } as const;

/** Nothing moves, and why; people hear of it once. */
export function hold(turn: Turn, entry: StandingDegradation, why: string): 'held' {
  if (entry.decided === 'held' && entry.heldBy === why) return 'held';
  mark(turn, entry.id, 'held', why);
  const { state } = turn;
  const would = rankFor(state, turn.now, entry.verdict, false).candidates[0]?.version ?? null;
  const isNew = isNews(turn, heldSo(entry, why), entry.verdict.hard);
  turn.record(
    'rollback-held',
    would === null
      ? `no version could take over from ${entry.version}; held: ${why}`
      : `would have rolled back from ${entry.version} to ${would}; held: ${why}`,
    { ...verdictFacts(entry), would, held: why, ...(isNew ? {} : toldBefore) },
  );
  const onFallback = state.fallbackInUse !== null;
  const { operation } = state;
  if (onFallback && !state.incident) openIncident(turn, { ...entry, decided: 'held' }, 'on-fallback');
  if (!isNew) return 'held';
  turn.alert({
    key: `${state.service}/${entry.id}/held/${why.slice(0, 24)}`,
    severity: entry.verdict.hard ? 'page' : 'ticket',
    title: `${state.service}: ${entry.verdict.metric} is degraded and nothing was moved`,
    wrong: sinceWords(entry.verdict.sentence, entry.verdict.onsetMs),
    did: `Nothing: ${why}. ${would === null ? 'No version could take over.' : `It would have chosen ${would}.`}`,
    users: usersNow(state),
    must: mustDo(entry, would),
    command: operation
      ? endCommand(state.service, operation)
      : would === null
        ? `lastgood explain ${state.service}`
        : `lastgood rollback ${state.service} --reason '…'`,
    link: null,
  });
  return 'held';
}

function mustDo({ version, verdict }: StandingDegradation, would: string | null): string {
  if (would === null)
    return `${verdict.hard ? 'Now: mend' : 'Mend'} ${version} where it runs, or give lastgood another version to go to.`;
  return verdict.hard
    ? 'Decide now: roll back by hand, or clear what holds.'
    : 'Nothing at once; it is decided again when the hold ends.';
}

/** Stays open to another answer: when the standby holds again or new evidence names the model, it is decided anew. */
export function refuse(turn: Turn, entry: StandingDegradation, reasons: readonly string[]): 'held' {
  const why = `the environment is the cause: ${reasons[0] ?? ''}`.slice(0, 200);
  if (entry.decided === 'held' && entry.heldBy === why) return 'held';
  mark(turn, entry.id, 'held', why);
  const { state } = turn;
  const isNew = isNews(turn, environmentSo(reasons), entry.verdict.hard);
  turn.record('rollback-refused', `the environment is the cause, a rollback would not help: ${reasons.join('; ')}`, {
    ...verdictFacts(entry),
    reasons: [...reasons],
    ...(isNew ? {} : toldBefore),
  });
  if (!isNew) return 'held';
  turn.alert({
    key: `${state.service}/${entry.id}/environment`,
    severity: entry.verdict.hard ? 'page' : 'ticket',
    title: `${state.service}: degraded, and the model is not the cause`,
    wrong: sinceWords(entry.verdict.sentence, entry.verdict.onsetMs),
    did: `No rollback, it would not help: ${reasons.join('; ')}.`,
    users: usersNow(state),
    must: `${placesOf(reasons) ?? 'Look at the host and at what the service depends on'}; the next verdict is decided anew.`,
    command: `lastgood explain ${state.service}`,
    link: null,
  });
  return 'held';
}
