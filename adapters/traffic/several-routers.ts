import type { TrafficRouter } from '../../activities/ports';
import { sameRoute, type RouteRecord } from '../../domain/route';
import type { ApplyResult, RouterState } from '../../gateway/protocol';

export interface NamedRouter {
  readonly name: string;
  readonly router: TrafficRouter & { close?(): Promise<void> };
}

/** Every fault of several routers as one. */
export class SeveralRoutersError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** None of them could be asked; what each said is in the message. */
export class NoRouterReachable extends SeveralRoutersError {}

/** One of them could not be asked, and the answer needs all. */
export class RouterUnreachable extends SeveralRoutersError {}

/** One that is frozen costs the others no more than these: users wait for the shift on those that work. */
const READ_MS = 500;
const BEFORE_APPLY_MS = 200;
/** Longer than the lease of a gateway: one that ran answers within it, one that did not asks its peers before it serves. */
const COMMAND_MS = 1_300;

type Answer<T> = { readonly name: string } & (
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string; readonly fault: unknown }
);
type Answered<T> = Extract<Answer<T>, { ok: true }>;
type Refused = Extract<ApplyResult, { applied: false }>;

/**
 * The routers of a service as one. A record counts as in force when all have acknowledged it and were read back; `missing`
 * names those that have not. `read` gives the state of the most advanced one, with `differing` for the others that have
 * another record or cannot be asked. The first router is the one beside this process: its entrance and its telemetry are
 * the ones that are looked at.
 */
export function severalRouters(routers: readonly NamedRouter[]): TrafficRouter & { close(): Promise<void> } {
  const each = <T>(limitMs: number, ask: (router: TrafficRouter) => Promise<T>): Promise<Answer<T>[]> =>
    Promise.all(routers.map(({ name, router }) => answerOf(name, limitMs, () => ask(router))));

  /** By the router whose telemetry is looked at. */
  const mirror: NonNullable<TrafficRouter['mirror']> = async (service, drill, items) => {
    const first = routers[0]?.router.mirror;
    if (first === undefined) throw new NoRouterReachable('there is no router');
    return await first(service, drill, items);
  };

  return {
    async read(service) {
      const answers = await each(READ_MS, (router) => router.read(service));
      return combined(answers, routers[0]?.name ?? '');
    },

    async apply(record) {
      // Nothing is written anywhere when one of them knows of a newer decision.
      const before = (await each(BEFORE_APPLY_MS, (router) => router.read(record.service))).filter(isAnswered);
      const refusal = before.map(({ name, value }) => refusedBy(name, value, record)).find((one) => one !== null);
      if (refusal) return refusal;
      const answers = await each(COMMAND_MS, (router) => applyAndReadBack(router, record));
      await raiseFloors(routers, before, record.service);
      return outcomeOf(answers, record);
    },

    async fence(service, epoch) {
      const answers = await each(COMMAND_MS, (router) => router.fence(service, epoch));
      const fenced = answers.filter(isAnswered).map(({ value }) => value);
      // One that is away cannot be told; coming back it takes the floor of its peers, or of the next record.
      if (fenced.length === 0) throw noneReachable(answers);
      return Math.min(...fenced);
    },

    async drained(service, version) {
      const answers = await each(READ_MS, (router) => router.drained(service, version));
      const all = answers.map((answer) => {
        if (answer.ok) return answer.value;
        throw new RouterUnreachable(`router ${answer.name}: ${answer.why}`, { cause: answer.fault });
      });
      return {
        drained: all.every(({ drained }) => drained),
        inFlight: all.reduce((sum, { inFlight }) => sum + inFlight, 0),
        pinned: all.reduce((sum, { pinned }) => sum + pinned, 0),
      };
    },

    async entrance(service) {
      const [first] = routers;
      if (first === undefined) throw new NoRouterReachable('there is no router');
      return await first.router.entrance(service);
    },

    ...(routers.length > 0 && routers.every(({ router }) => router.mirror !== undefined) && { mirror }),

    async close() {
      await Promise.all(routers.map(async ({ router }) => await router.close?.()));
    },
  };
}

async function answerOf<T>(name: string, limitMs: number, ask: () => Promise<T>): Promise<Answer<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no whole answer within ${limitMs} ms`)), limitMs);
  });
  try {
    return { name, ok: true, value: await Promise.race([ask(), late]) };
  } catch (fault) {
    return { name, ok: false, why: fault instanceof Error ? fault.message : String(fault), fault };
  } finally {
    clearTimeout(timer);
  }
}

function isAnswered<T>(answer: Answer<T>): answer is Answered<T> {
  return answer.ok;
}

function noneReachable(answers: readonly Answer<unknown>[]): NoRouterReachable {
  const words = answers.map((answer) => `${answer.name}: ${answer.ok ? '' : answer.why}`).join('; ');
  return new NoRouterReachable(`no router could be asked: ${words}`);
}

function epochOf({ record }: RouterState): number {
  return record?.epoch ?? -1;
}

function combined(answers: readonly Answer<RouterState>[], first: string): RouterState {
  const known = answers.filter(isAnswered);
  const states = known.map(({ value }) => value);
  const [one, ...others] = states;
  if (one === undefined) throw noneReachable(answers);
  const most = others.reduce((best, state) => (epochOf(state) > epochOf(best) ? state : best), one);
  const same = ({ record }: RouterState): boolean =>
    record === null ? most.record === null : most.record !== null && sameRoute(record, most.record);
  const sames = states.filter(same);
  // It is in force since the last of them took it.
  const since = sames.map(({ inForceSince }) => inForceSince).filter((at) => at !== null);
  const fallbacks = sames.map(({ fallback }) => fallback).filter((fallback) => fallback !== null);
  const differing = answers.flatMap((answer) => {
    if (!answer.ok) return [{ router: answer.name, reached: false, record: null, why: answer.why }];
    const { value, name } = answer;
    return same(value) ? [] : [{ router: name, reached: true, record: value.record, why: servesWords(value) }];
  });
  return {
    service: most.service,
    record: most.record,
    floor: Math.max(...states.map(({ floor }) => floor)),
    inForceSince: since.length === 0 ? null : Math.max(...since),
    // Each goes to its fallback by itself; the first one to do so is the story.
    fallback: fallbacks.reduce<RouterState['fallback']>(
      (best, fallback) => (best === null || fallback.since < best.since ? fallback : best),
      null,
    ),
    inFlight: sums(states),
    pinned: pinnedIn(states),
    lastSeq: known.find(({ name }) => name === first)?.value.lastSeq ?? 0,
    differing,
  };
}

function servesWords({ record }: RouterState): string {
  return record === null ? 'has no route' : `is at epoch ${record.epoch} with ${record.primary}`;
}

function sums(states: readonly RouterState[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { inFlight } of states)
    for (const [version, count] of Object.entries(inFlight)) sum[version] = (sum[version] ?? 0) + count;
  return sum;
}

function pinnedIn(states: readonly RouterState[]): RouterState['pinned'] {
  const all: RouterState['pinned'] = {};
  for (const { pinned } of states) {
    for (const [version, { sessions, lastEndsAt }] of Object.entries(pinned)) {
      const known = all[version] ?? { sessions: 0, lastEndsAt: 0 };
      const latest = Math.max(known.lastEndsAt, lastEndsAt);
      all[version] = { sessions: known.sessions + sessions, lastEndsAt: latest };
    }
  }
  return all;
}

/** As the router itself would say it, asked before any of them has written. */
function refusedBy(name: string, state: RouterState, record: RouteRecord): Refused | null {
  const { record: current, floor } = state;
  if (current !== null && sameRoute(current, record)) return null;
  const refused = (why: Refused['why'], detail: string): Refused => {
    return { applied: false, why, epoch: current?.epoch ?? 0, floor, detail: `router ${name}: ${detail}` };
  };
  if (current !== null && record.epoch < current.epoch) {
    return refused('stale-epoch', `epoch ${record.epoch} is below ${current.epoch}, which is in force`);
  }
  if (record.epoch < floor) return refused('below-floor', `epoch ${record.epoch} is below the floor ${floor}`);
  if (current !== null && record.epoch === current.epoch) {
    return refused('same-epoch-other-content', `epoch ${record.epoch} is in force with another content`);
  }
  return null;
}

async function applyAndReadBack(router: TrafficRouter, record: RouteRecord): Promise<ApplyResult> {
  const applied = await router.apply(record);
  if (!applied.applied) return applied;
  const { record: found } = await router.read(record.service);
  // A higher one is the next decision, made meanwhile.
  if (found === null || (found.epoch <= record.epoch && !sameRoute(found, record))) {
    throw new Error(
      `acknowledged epoch ${record.epoch}, read back ${found === null ? 'none' : `epoch ${found.epoch}`}`,
    );
  }
  return applied;
}

/** What was fenced while one was away is fenced there, too. */
async function raiseFloors(
  routers: readonly NamedRouter[],
  before: readonly Answered<RouterState>[],
  service: string,
): Promise<void> {
  const highest = Math.max(0, ...before.map(({ value }) => value.floor));
  const lower = before.filter(({ value }) => value.floor < highest).map(({ name }) => name);
  const behind = routers.filter(({ name }) => lower.includes(name));
  await Promise.all(behind.map(({ name, router }) => answerOf(name, READ_MS, () => router.fence(service, highest))));
}

function outcomeOf(answers: readonly Answer<ApplyResult>[], record: RouteRecord): ApplyResult {
  const results = answers.filter(isAnswered);
  const applied = results.flatMap(({ value }) => (value.applied ? [value] : []));
  const refused = results.flatMap(({ name, value }) => (value.applied ? [] : [{ name, value }]));
  const overtaken = refused.find(({ value }) => value.why === 'stale-epoch' || value.why === 'below-floor');
  const decisive = overtaken ?? (applied.length === 0 ? refused[0] : undefined);
  if (decisive) {
    const { name, value } = decisive;
    const elsewhere = results.filter((result) => result.value.applied).map((result) => result.name);
    const where = elsewhere.length === 0 ? '' : `; in force on ${elsewhere.join(', ')}`;
    return { ...value, detail: `router ${name}: ${value.detail}${where}` };
  }
  if (applied.length === 0) throw noneReachable(answers);
  const missing = answers.flatMap((answer) => {
    const { name: router } = answer;
    if (!answer.ok) return [{ router, why: answer.why }];
    return answer.value.applied ? [] : [{ router, why: `${answer.value.why}: ${answer.value.detail}` }];
  });
  const persistedAt = Math.max(...applied.map((result) => result.persistedAt));
  return { applied: true, epoch: record.epoch, persistedAt, ...(missing.length === 0 ? {} : { missing }) };
}
