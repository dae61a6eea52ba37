import { rmSync } from 'node:fs';
import fc from 'fast-check';
import type { ServiceEvent } from '../../domain/service/events';
import { reduce } from '../../domain/service/reduce';
import type { ServiceState } from '../../domain/service/state';
import { NEWEST_RULES } from '../../workflows/contract/inputs';
import { messageNames, parseMessage, type MessageName } from '../../workflows/contract/messages';
import { readReport, reportNames, type ReportName } from '../../workflows/service/reports';
import { promised } from './api-routes';
import { configured, REGULATED, startState } from './configured';
import { goodReports } from './good-reports';
import { hostileJson, mutated } from './hostile';
import { admitted, crash, harmOf, surface, type Harm, type SurfacePlan } from './surface';

/** Who an act says it is of. `raw`: as it comes from the Temporal UI, whatever it says of an actor. */
type Sender = 'raw' | 'person' | 'same-person-twice' | 'shared-token';

type Said =
  | {
      readonly what: 'message';
      readonly name: MessageName;
      readonly input: unknown;
      readonly sender: Sender;
      readonly laterMs: number;
    }
  | { readonly what: 'report'; readonly name: ReportName; readonly input: unknown; readonly laterMs: number };

const twoPeople: readonly MessageName[] = ['clearBreaker', 'revoke', 'clearQuarantine'];
const person = { name: 'ada', proof: 'token', from: '10.0.0.1' } as const;
const senders: Readonly<Record<Exclude<Sender, 'raw'>, object>> = {
  person: { actor: person },
  'same-person-twice': { actor: person, second: { ...person, from: '10.0.0.2' } },
  'shared-token': { actor: { ...person, name: 'api-token' }, second: { ...person, name: 'api-token' } },
};

const laterMs = fc.constantFrom(0, 1, 1_000, 60_000, 86_400_000);
const message = fc.constantFrom(...messageNames).chain((name) =>
  fc.record({
    what: fc.constant('message' as const),
    name: fc.constant(name),
    input: fc.oneof(
      { weight: 3, arbitrary: fc.constant<unknown>(goodMessage(name)) },
      { weight: 3, arbitrary: mutated([goodMessage(name)]) },
      { weight: 1, arbitrary: hostileJson },
    ),
    sender: fc.constantFrom<Sender>('raw', 'raw', 'person', 'same-person-twice', 'shared-token'),
    laterMs,
  }),
);
const report = fc.constantFrom(...reportNames).chain((name) =>
  fc.record({
    what: fc.constant('report' as const),
    name: fc.constant(name),
    input: fc.oneof(
      { weight: 2, arbitrary: fc.constantFrom<unknown>(...goodReports[name]) },
      { weight: 4, arbitrary: mutated(goodReports[name]) },
      { weight: 1, arbitrary: hostileJson },
    ),
    laterMs,
  }),
);

function goodMessage(name: MessageName): object {
  const route = promised.find(({ path }) => path.endsWith(`/acts/${name}`));
  return { requestId: `r-${name}`, ...(route?.body as object) };
}

/** What reaches a service workflow, in any order: it is decided or refused, and never wedges what decides. */
export const messagesPlan: SurfacePlan = {
  name: 'messages',
  weight: 16,
  open: () => {
    const { directory, configuration } = configured();
    const begun = [startState(configuration, 'mail'), startState(configuration, REGULATED)];
    const said = fc.tuple(fc.nat(1), fc.array(fc.oneof(message, report), { minLength: 1, maxLength: 10 }));
    return Promise.resolve(
      surface<[number, readonly Said[]]>({
        name: 'messages',
        inputs: said as fc.Arbitrary<[number, readonly Said[]]>,
        meet: ([which, all]) => Promise.resolve(play(begun[which] as ServiceState, all)),
        close: () => Promise.resolve(rmSync(directory, { recursive: true, force: true })),
      }),
    );
  },
};

function play(begun: ServiceState, all: readonly Said[]): Harm | null {
  let state = begun;
  let now = begun.begunAt ?? 0;
  for (const [index, one] of all.entries()) {
    now += one.laterMs;
    try {
      const event = eventOf(one, index);
      if (event === null) continue;
      const { state: next, answer } = reduce(state, event, now, NEWEST_RULES);
      if (one.what === 'message' && answer?.decision === 'accepted' && !mayBeAccepted(state, one))
        return admitted(`${one.name} by ${one.sender} in ${state.service}: ${JSON.stringify(one.input).slice(0, 300)}`);
      state = { ...next, outbox: [] };
      if (JSON.stringify(state).length > 512 * 1024)
        return crash(`the state has ${JSON.stringify(state).length} bytes after ${one.what} ${one.name}`);
    } catch (fault) {
      return harmOf(fault) ?? crash(`${one.name}: ${String(fault)}`);
    }
  }
  return null;
}

function eventOf(one: Said, index: number): ServiceEvent | null {
  if (one.what === 'report') return readReport(one.name, one.input);
  // As the inbox does it: what a raw message says of an actor is dropped.
  const { input, sender } = one;
  const object = typeof input === 'object' && input !== null && !Array.isArray(input);
  const {
    actor: _actor,
    second: _second,
    signature: _signature,
    ...rest
  } = (object ? input : {}) as Record<string, unknown>;
  const given: unknown = !object
    ? input
    : sender === 'raw'
      ? rest
      : { ...rest, ...senders[sender], requestId: `r-${index}` };
  const parsed = parseMessage(one.name, given);
  return parsed.ok ? { type: 'message', message: parsed.message } : null;
}

function mayBeAccepted({ service }: ServiceState, { name, sender }: Extract<Said, { what: 'message' }>): boolean {
  if (sender === 'raw') return false;
  return !(service === REGULATED && twoPeople.includes(name));
}
