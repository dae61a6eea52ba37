import type { IncidentStory } from '../story/incident-story';
import type { Present } from '../story/present';
import { textOf } from '../story/facts';

/** The next act of the reader, as far as the ledger shows that one is needed, with the exact command. */
export function whatToDo(story: IncidentStory, present: Present): string[] {
  const { service, id, outcome, from, to } = story;
  // With the breaker open there is something to do, whatever confirms by itself.
  const lines = present.breaker?.open && outcome === 'settled' ? [] : forOutcome(story);
  if (present.breaker?.open)
    lines.push(
      'Find out why versions fail one after the other; then clear the breaker:',
      `  lastgood breaker clear ${service} --epoch ${present.breaker.epoch} --reason '…'`,
    );
  const quarantined = from !== null && present.standing[from]?.standing === 'quarantined';
  if (quarantined)
    lines.push(
      `Find out what was wrong with ${from}. It is not chosen again until someone clears it:`,
      `  lastgood quarantine clear ${service}@${from} --reason '…'`,
    );
  if (lines.length === 0)
    lines.push(
      outcome === 'ended' || to !== null
        ? `Nothing. See how it stands: lastgood status ${service}`
        : `Watch it: lastgood status ${service} -w (incident ${id})`,
    );
  return lines;
}

function forOutcome(story: IncidentStory): string[] {
  const { service, id, from } = story;
  const waiting = story.entries.findLast(({ kind }) => kind === 'waiting-for-human');
  switch (story.outcome) {
    case 'waiting for a human':
      return waiting && textOf(waiting.facts, 'step') !== null
        ? [
            'Say how to go on:',
            `  lastgood intervene ${id} retry --reason 'WHY'   (or: choose --target VERSION, accept, abort)`,
          ]
        : waiting && /not confirmed/.test(waiting.summary)
          ? [`${firstUpper(waiting.summary)}. See why:`, `  lastgood status ${service}`]
          : waiting && /breaker open/.test(waiting.summary)
            ? []
            : ['Choose a version yourself:', `  lastgood rollback ${service} --to VERSION --reason '…'`];
    case 'held':
      return awaitsApproval(story) ? ['Approve or deny it:', `  lastgood approve ${id} --reason '…'`] : heldWays(story);
    case 'refused':
      return [
        `A rollback would not have helped. Look at what changed around ${from ?? 'it'} first:`,
        '  lastgood doctor',
      ];
    case 'settled':
      // A rollback by hand has no metric on which it could be confirmed.
      if (story.evidence === null) return [];
      return ['Nothing until morning: it confirms by itself on the metric that fired.', `  lastgood status ${service}`];
    case 'not deployed':
      return [
        'Nothing at once: what served before serves. Mend what stopped it, then deploy again; to see the plan:',
        `  lastgood deploy ${service}@VERSION --dry-run --reason '…'`,
      ];
    case 'in progress':
      return ['Nothing now: it is at work.', `  lastgood status ${service} -w`];
    case 'settled and confirmed':
    case 'ended':
      return [];
  }
}

function heldWays({ service, from, entries }: IncidentStory): string[] {
  const { facts = {} } = entries.findLast(({ kind }) => kind === 'rollback-held') ?? {};
  if ('would' in facts && facts['would'] === null)
    return [
      `No version could take over from ${from ?? 'it'}: mend it where it runs, or give lastgood another one:`,
      '  lastgood artifacts import DIRECTORY',
    ];
  const why = textOf(facts, 'held') ?? '';
  const when = why.startsWith('mode observe') ? 'lastgood only watches.' : 'It is decided again when the hold ends.';
  return [`${when} To act now:`, `  lastgood rollback ${service} --reason '…'`];
}

function awaitsApproval({ entries }: IncidentStory): boolean {
  return entries.some(({ kind, facts }) => kind === 'rollback-held' && 'until' in facts);
}

function firstUpper(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}
