import {
  CancellationScope,
  continueAsNew,
  defineQuery,
  defineSignal,
  log,
  patched,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { problemOfSignature, type ActSignature } from './contract/act-signature';
import {
  itemsOrderedName,
  itemsOrderSchema,
  itemsQueryName,
  itemsSubject,
  type ItemsInput,
  type ItemsState,
  type ItemsStatus,
  type PersonsOrder,
} from './contract/items';
import { Account } from './items/account';
import { freshProgress, PipelineWork, unverified } from './items/pipeline-work';

const itemsQuery = defineQuery<ItemsStatus>(itemsQueryName);
const itemsOrdered = defineSignal<[unknown]>(itemsOrderedName);

/**
 * Treats what a degraded version handled between onset and shift, in each pipeline as its policy says, after the traffic
 * has moved. The pipelines go on beside each other; one that is down waits for itself alone. It ends when each is done or
 * skipped by a person, however long that takes.
 */
export async function itemsWorkflow(input: ItemsInput): Promise<void> {
  // What was decided to be done is not undone by a click: `lastgood items skip` ends it, with a name.
  CancellationScope.current().cancelRequested.catch(() =>
    log.warn('a cancel is not obeyed; lastgood items skip ends it'),
  );
  await CancellationScope.nonCancellable(() => treatAll(input));
}

async function treatAll(input: ItemsInput): Promise<void> {
  const { carried } = input;
  // Before, a run did not end while an alert was on its way, however long that took.
  const carriesUnsent = patched('unsent-alerts-carried');
  const beganAt = carried?.beganAt ?? Date.now();
  const account = new Account(input, carried?.entries ?? 0);
  let ended = false;
  const works: PipelineWork[] = [];
  const show = (): void => account.show(works.map(({ progress }) => progress));
  for (const policy of input.pipelines) {
    const progress = carried?.pipelines.find(({ name }) => name === policy.name) ?? freshProgress(policy);
    works.push(new PipelineWork(input, policy, progress, account, show, isFull(input)));
  }
  setHandler(itemsQuery, () => statusOf(input, works, beganAt, ended));
  for (const order of carried?.orders ?? [])
    works.find(({ progress }) => progress.name === order.pipeline)?.give(order);
  setHandler(itemsOrdered, (message) => {
    const refused = give(message, input, works);
    if (refused !== null) account.recordBeside('refused', refused);
  });
  show();
  for (const alert of carried?.unsent ?? []) account.send(alert);
  if (!carried) await account.record('items-began', beganWords(input), beganFacts(input, works));
  await Promise.all(works.map((work) => work.run()));
  if (carriesUnsent) await account.quietSoon();
  else await account.quiet();
  if (works.some((work) => !work.ended)) {
    const state: ItemsState = {
      pipelines: works.map(({ progress }) => progress),
      entries: account.entries,
      beganAt,
      orders: works.flatMap(({ waiting }) => (waiting ? [waiting] : [])),
      unsent: account.unsent,
    };
    await continueAsNew<typeof itemsWorkflow>({ ...input, carried: state });
  }
  const words = works.map(({ progress: { name, phase } }) => `${name} ${phase}`).join(', ');
  await account.record('items-ended', `the items of ${input.version} are treated: ${words}`, {
    version: input.version,
  });
  ended = true;
  await account.quiet();
}

function isFull({ maxEventsBeforeContinue }: ItemsInput): () => boolean {
  return () => {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    return continueAsNewSuggested || historyLength > (maxEventsBeforeContinue ?? Infinity);
  };
}

/** Null when it was taken; otherwise why not. Never throws: that would wedge the workflow. */
function give(message: unknown, input: ItemsInput, works: readonly PipelineWork[]): string | null {
  const parsed = itemsOrderSchema.safeParse(message);
  if (!parsed.success) return `an order could not be read: ${parsed.error.issues[0]?.message ?? ''}`.slice(0, 300);
  const { signature, ...said } = parsed.data;
  const { pipeline, order } = said;
  const actor = isProven(input, said, signature) ? (said.actor ?? unverified) : unverified;
  if (actor.proof === 'unverified' && input.unverified !== 'allow')
    return `${order} of ${pipeline} by a sender who is not proven`;
  const work = works.find(({ progress }) => progress.name === pipeline);
  if (!work) return `${order}: there is no pipeline ${pipeline}`.slice(0, 300);
  if (work.ended) return `${order}: ${pipeline} is ${work.progress.phase} already`;
  work.give({ ...said, actor });
  return null;
}

/** Where keys are in force, an actor counts under the signature of one of them only. */
function isProven(input: ItemsInput, said: PersonsOrder, signature: ActSignature | undefined): boolean {
  const { actKeys = [], service, incident } = input;
  if (actKeys.length === 0) return true;
  if (signature === undefined) return false;
  const about = { ...said, signature };
  return problemOfSignature(itemsSubject(service, incident), about, actKeys, Date.now()) === null;
}

function beganWords({ version, target, onsetAt, shiftedAt, pinnedUntil, pipelines }: ItemsInput): string {
  const names = pipelines.map(({ name }) => name).join(', ');
  const time = `${new Date(onsetAt).toISOString()} to ${new Date(shiftedAt).toISOString()}`;
  const pinned =
    pinnedUntil === undefined
      ? ''
      : `; sessions may stay on ${version} until ${new Date(pinnedUntil).toISOString()}, and what it handles for them is treated with the rest, behind that`;
  return `what ${version} handled from ${time} is treated in ${names}; ${target} serves${pinned}`;
}

function beganFacts({ version, target, onsetAt, shiftedAt, pinnedUntil }: ItemsInput, works: readonly PipelineWork[]) {
  const pipelines = works.map(({ progress: { name, action, why } }) => ({ name, action, why }));
  const pinned = pinnedUntil !== undefined && { pinnedUntil };
  return { version, target, onsetAt, shiftedAt, ...pinned, pipelines };
}

function statusOf(
  { service, incident, version, target, pinnedUntil }: ItemsInput,
  works: readonly PipelineWork[],
  beganAt: number,
  ended: boolean,
): ItemsStatus {
  const pipelines = works.map(({ progress: { cursor: _cursor, pending: _pending, ...told } }) => told);
  const pinned = pinnedUntil !== undefined && { pinnedUntil };
  return { service, incident, version, target, ...pinned, beganAt, ended, pipelines };
}
