import { setTimeout as pause } from 'node:timers/promises';
import type { Observer } from './observer';
import type { ChaosWorld, ServiceFacts } from './world';

const POLL_MS = 100;
const WITHIN_MS = 60_000;

/** Waits until it holds; false when the time is over. */
async function whenState(
  observer: Observer,
  holds: (state: ServiceFacts) => boolean,
  withinMs = WITHIN_MS,
): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const { state } = await observer.look();
    if (state !== null && holds(state)) return true;
    if (performance.now() >= deadline) return false;
    await pause(POLL_MS);
  }
}

/** What is so now. A look that nobody answers says nothing, least of all that nothing waits; null when the time is over. */
async function known(observer: Observer): Promise<ServiceFacts | null> {
  let found: ServiceFacts | null = null;
  await whenState(observer, (state) => {
    found = state;
    return true;
  });
  return found;
}

/** A rollback of the run that waits for a person is ended by who ordered it. Null when nothing waits any more, else why. */
export async function endWaiting(world: ChaosWorld, observer: Observer, run: string): Promise<string | null> {
  const state = await known(observer);
  if (state === null) return 'whether its rollback waits for a human is not known: nobody answers';
  const { operation } = state;
  if (!operation?.waiting) return null;
  const incident = operation.incident ?? operation.id;
  const reason = `chaos run ${run}: the experiment is over`;
  const answer = await world.act('intervene', { incident, action: 'abort', reason });
  if (answer.decision !== 'accepted') return `${operation.id} waits for a human: ${answer.why}`;
  return (await whenState(observer, (now) => now.operation === null)) ? null : `${operation.id} does not end`;
}

/** Deploys what was live before the run again. Null when it is live, else why not and what to do. */
export async function putBack(
  world: ChaosWorld,
  observer: Observer,
  { run, before }: { readonly run: string; readonly before: string },
): Promise<string | null> {
  const state = await known(observer);
  const service = state?.service ?? observer.state?.service ?? '';
  const byHand = `deploy it by hand: lastgood deploy ${service}@${before} --reason '…'`;
  if (state === null) return `the service workflow does not answer; ${byHand}`;
  if (state.declared?.primary === before) return null;
  const reason = `chaos run ${run}: back to what was live before`;
  const standing = state.versions.find(({ version }) => version === before)?.standing;
  if (standing === 'quarantined' || standing === 'suspect') {
    const cleared = await world.act('clearQuarantine', { version: before, reason });
    if (cleared.decision !== 'accepted') return `${before} is ${standing}: ${cleared.why}; ${byHand}`;
  }
  const answer = await world.act('deploy', { version: before, reason });
  if (answer.decision !== 'accepted') return `${answer.why}; ${byHand}`;
  const live = (facts: ServiceFacts): boolean => facts.declared?.primary === before && facts.operation === null;
  return (await whenState(observer, live))
    ? null
    : `${before} is not live again within 60 s; lastgood status ${service}`;
}
