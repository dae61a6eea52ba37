import type { ActName, Answer, Me, Proposal, ServiceView } from '../../api/types';
import { plural, span, when } from '../../cli/render/words';

/** One thing that a person may do now: what it asks for, and the message it becomes. */
export interface ActForm {
  /** Names it among the others; the same key is the same form. */
  readonly key: string;
  readonly act: ActName | 'second';
  readonly button: string;
  readonly title: string;
  /** What the page shows that the act is about. */
  readonly about: readonly string[];
  readonly fields: readonly Field[];
  /** Waits for somebody: it stands out. */
  readonly urgent: boolean;
  /** Whether it can be asked what would happen. */
  readonly canPlan: boolean;
  /** The message without reason and request id; of a proposal that is seconded, its id. */
  body(values: Values): Readonly<Record<string, unknown>>;
  /** The same by the command line, without the reason. */
  command(values: Values): string;
}

export type Values = Readonly<Record<string, string>>;

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly kind: 'select' | 'radio';
  readonly options: readonly { readonly value: string; readonly words: string }[];
  /** Shown only while another field has this value. */
  readonly onlyWith?: { readonly name: string; readonly value: string };
}

type State = NonNullable<ServiceView['status']>['state'];

/** In the order in which they are needed: what waits for somebody first. */
export function actForms(view: ServiceView, proposals: readonly Proposal[], me: Me): readonly ActForm[] {
  const { service, status } = view;
  if (!status) return [];
  const { state, readiness } = status;
  const now = view.at;
  return [
    ...proposals.filter((one) => one.service === service).map((one) => secondForm(one, me, now)),
    ...(state.operation !== null && state.operation.waiting !== null
      ? [interveneForm(service, state, state.operation)]
      : []),
    ...(state.incident?.phase === 'awaiting-approval' ? [approveForm(service, state.incident, now)] : []),
    ...(state.breaker.open ? [breakerForm(service, state, now)] : []),
    ...(isPaused(state, now) ? [resumeForm(service, state, now)] : []),
    rollbackForm(service, state, readiness.target),
    pauseForm(service),
    ...(state.operation !== null ? [cancelForm(service, state.operation)] : []),
  ];
}

/** `answer` of an act or a second word, whatever came of it. */
export type Outcome = Answer | Proposal;

const plain = { fields: [], urgent: false, canPlan: true } as const;

function rollbackForm(service: string, state: State, target: string | null): ActForm {
  const live = state.declared?.primary;
  const others = [...state.versions].reverse().filter(({ version }) => version !== live);
  const chosen =
    target === null ? 'whoever lastgood would choose (nobody now)' : `${target}, whom lastgood would choose`;
  return {
    ...plain,
    key: `rollback/${live ?? ''}/${target ?? ''}/${others.map(({ version, standing }) => `${version}=${standing}`).join()}`,
    act: 'rollback',
    button: 'Roll back …',
    title: `Roll back ${service}`,
    about: [`${live ?? 'nothing'} serves.`],
    fields: [
      {
        name: 'to',
        label: 'To',
        kind: 'select',
        options: [
          { value: '', words: chosen },
          ...others.map(({ version, standing }) => ({ value: version, words: `${version} (${standing})` })),
        ],
      },
    ],
    body: ({ to = '' }) => (to === '' ? {} : { to }),
    command: ({ to = '' }) => `lastgood rollback ${service}${to === '' ? '' : ` --to ${to}`}`,
  };
}

const pauses = [15, 30, 60, 240, 1_440] as const;

function pauseForm(service: string): ActForm {
  const options = pauses.map((minutes) => ({ value: String(minutes), words: span(minutes * 60_000) }));
  return {
    ...plain,
    key: 'pause',
    act: 'pause',
    button: 'Pause …',
    title: `Pause ${service}`,
    about: ['lastgood goes on to measure, and moves nothing by itself. It ends by itself.'],
    fields: [{ name: 'minutes', label: 'For', kind: 'select', options }],
    body: ({ minutes }) => ({ forMs: Number(minutes) * 60_000 }),
    command: ({ minutes }) => `lastgood pause ${service} --for ${minutes ?? ''}m`,
  };
}

function isPaused({ pausedUntil, pausedWhy }: State, now: number): boolean {
  return pausedWhy !== null || (pausedUntil !== null && pausedUntil > now);
}

function resumeForm(service: string, { pausedUntil, pausedWhy }: State, now: number): ActForm {
  const until = pausedUntil === null ? '' : ` until ${when(pausedUntil, now)}`;
  return {
    ...plain,
    key: `resume/${pausedWhy ?? ''}/${pausedUntil ?? ''}`,
    act: 'resume',
    button: 'Resume …',
    title: `Resume ${service}`,
    about: [pausedWhy === null ? `It is paused${until}.` : `It is paused: ${pausedWhy}`],
    urgent: pausedWhy !== null,
    body: () => ({}),
    command: () => `lastgood resume ${service}`,
  };
}

function breakerForm(service: string, { breaker }: State, now: number): ActForm {
  const { epoch, openedAt, incident } = breaker;
  return {
    ...plain,
    key: `clearBreaker/${epoch}`,
    act: 'clearBreaker',
    button: 'Clear the breaker …',
    title: `Clear the breaker of ${service}`,
    about: [
      `Epoch ${epoch}, open since ${openedAt === null ? '?' : when(openedAt, now)}, incident ${incident ?? '?'}.`,
      'Route and quarantines stay as they are; one cooldown starts.',
    ],
    urgent: true,
    // Of the opening that this page shows: a later one is looked at first.
    body: () => ({ breakerEpoch: epoch }),
    command: () => `lastgood breaker clear ${service} --epoch ${epoch}`,
  };
}

function approveForm(service: string, incident: NonNullable<State['incident']>, now: number): ActForm {
  const { id, approvalUntil, sentence, from, target } = incident;
  const until = approvalUntil === null ? '' : ` It waits until ${when(approvalUntil, now)}.`;
  return {
    ...plain,
    key: `approve/${id}/${target ?? ''}/${approvalUntil ?? ''}`,
    act: 'approve',
    button: 'Approve or deny …',
    title: `Approve the rollback of ${service}?`,
    about: [sentence, `From ${from} to ${target ?? 'whoever is chosen then'}, incident ${id}.${until}`],
    fields: [
      radio('decision', 'Decision', { approve: 'approve: the rollback begins', deny: 'deny: nothing is moved' }),
    ],
    urgent: true,
    body: ({ decision }) => ({ incident: id, decision }),
    command: ({ decision }) => `lastgood approve ${id}${decision === 'deny' ? ' --deny' : ''} --service ${service}`,
  };
}

function interveneForm(service: string, state: State, operation: NonNullable<State['operation']>): ActForm {
  const id = operation.incident ?? operation.id;
  const versions = [...state.versions]
    .reverse()
    .map(({ version, standing }) => ({ value: version, words: `${version} (${standing})` }));
  return {
    ...plain,
    key: `intervene/${operation.id}/${operation.waiting ?? ''}/${operation.orders ?? 0}`,
    act: 'intervene',
    button: 'Say how to go on …',
    title: `${operation.kind} ${operation.id} of ${service} waits for you`,
    about: [`${operation.waiting ?? ''} (at ${operation.step})`],
    fields: [
      radio('action', 'Go on by', {
        retry: 'retry: the same step again',
        choose: 'choose: another version',
        accept: 'accept: as it stands now',
        abort: 'abort: nothing more is done',
      }),
      {
        name: 'target',
        label: 'Version',
        kind: 'select',
        options: versions,
        onlyWith: { name: 'action', value: 'choose' },
      },
    ],
    urgent: true,
    body: ({ action, target }) => ({ incident: id, action, ...(action === 'choose' ? { target } : {}) }),
    command: ({ action, target }) =>
      `lastgood intervene ${id} ${action ?? ''}${action === 'choose' ? ` --target ${target ?? ''}` : ''} --service ${service}`,
  };
}

function cancelForm(service: string, operation: NonNullable<State['operation']>): ActForm {
  const { id, kind, step, incident } = operation;
  return {
    ...plain,
    key: `cancel/${id}`,
    act: 'cancel',
    button: 'Stop what it does …',
    title: `Stop ${kind} ${id} of ${service}`,
    about: [`It is at ${step}. What has the traffic when it is stopped keeps it.`],
    body: () => (incident === null ? {} : { incident }),
    command: () => `lastgood cancel ${incident ?? service}`,
  };
}

function secondForm({ id, service, act, by, reason, until }: Proposal, me: Me, now: number): ActForm {
  const own = by === me.actor.name ? ['It is your own: somebody else must second it.'] : [];
  return {
    ...plain,
    key: `second/${id}`,
    act: 'second',
    button: `Second ${act} …`,
    title: `Second ${act} of ${service}`,
    about: [
      `${by}: ${reason}`,
      `Until ${when(until, now)} (${plural(Math.max(0, Math.round((until - now) / 60_000)), 'minute')} left).`,
      ...own,
    ],
    urgent: true,
    canPlan: false,
    body: () => ({ proposal: id }),
    command: () => `lastgood second ${id}`,
  };
}

function radio(name: string, label: string, options: Readonly<Record<string, string>>): Field {
  return { name, label, kind: 'radio', options: Object.entries(options).map(([value, words]) => ({ value, words })) };
}
