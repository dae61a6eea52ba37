import type { ServiceView } from '../../api/types';
import type { Condition } from '../service-condition';
import type { Readiness, Route, State, VersionFacts } from '../types';
import { identityWords } from '../../workflows/contract/identity';
import { nextAct } from './next-act';
import { pinnedLines } from './pinned-sessions';
import { progressWords } from './items';
import { tierHead, tierRows, undecided } from './tiers';
import { targetLines } from './target';
import { ago, clock, labelled, plural, span, table, when } from './words';

export interface StatusPage {
  readonly collectedAt: number;
  readonly services: readonly { readonly view: ServiceView; readonly condition: Condition }[];
  /** Said above everything, e.g. that the controller is down. */
  readonly remarks: readonly string[];
}

/** The whole page: first line is whether the service could be rolled back now, or why not. */
export function renderStatus(page: StatusPage): string[] {
  const blocks = page.services.map(({ view, condition }) => renderService(view, condition, page.collectedAt));
  const lines = blocks.flatMap((block, index) => (index === 0 ? block : ['', ...block]));
  return [...page.remarks, ...lines];
}

function itemLines({ items = [] }: ServiceView): string[] {
  return items.flatMap(({ incident, pipelines, pinnedUntil }) =>
    pipelines.map((one) => `${incident}: ${progressWords(one, pinnedUntil)}`),
  );
}

function renderService(view: ServiceView, condition: Condition, now: number): string[] {
  const parts = statusParts(view, condition, now).flatMap((part) => {
    if ('lines' in part) return labelled(part.label, part.lines);
    const rows = part.head.length === 0 ? part.rows : [part.head, ...part.rows];
    return [`  ${part.label}`, ...(part.rows.length === 0 ? [`    ${part.none}`] : table(rows, '    '))];
  });
  return [`${view.service}: ${headline(view, now)}`, ...parts];
}

/** One part of a service's page: lines under a label, or a table. */
export type StatusPart =
  | { readonly label: string; readonly lines: readonly string[] }
  | {
      readonly label: string;
      readonly head: readonly string[];
      readonly rows: readonly (readonly string[])[];
      /** Said where there are no rows. */
      readonly none: string;
    };

/** Everything below the first line, in its order, for every form of the page. */
export function statusParts(view: ServiceView, condition: Condition, now: number): readonly StatusPart[] {
  const { status } = view;
  const state = status?.state ?? null;
  const lag = status?.ledgerLag ?? { entries: 0, oldestAt: null };
  const part = (label: string, lines: readonly string[]): StatusPart[] =>
    lines.length === 0 ? [] : [{ label, lines }];
  return [
    ...part('condition', [conditionText(condition)]),
    ...part('serves', servesLines(view, now)),
    ...part('entrance', [view.entrance ?? 'not known']),
    ...part('legal hold', holdLines(view)),
    ...(state
      ? [
          ...part('mode', [brakes(state, now)]),
          ...part('incident', incidentLines(state, now)),
          ...part('doing', operationLines(state, now)),
          ...part('bake', bakeLines(state, now)),
          ...part('items', itemLines(view)),
          ...part('standby', standbyLines(state, now)),
          ...part('target', targetLines(status?.readiness ?? null, state)),
          ...part('environment', state.environment),
          { label: 'versions', head: [], rows: versionRows(state, now), none: 'none in the artifact store' },
          { label: 'tiers', head: tierHead, rows: tierRows(state.tiers, now), none: 'no tier has reported yet' },
          ...part('undecided', undecided(state.tiers)),
          ...part('impossible', impossible(state)),
        ]
      : []),
    ...part(
      'ledger lag',
      lag.entries === 0
        ? []
        : [
            `${lag.entries} decisions are not in the ledger yet, the oldest ${lag.oldestAt === null ? '' : ago(lag.oldestAt, now)}`,
          ],
    ),
    ...part('not known', view.notKnown),
    ...part('collected', [`${clock(now)} · ${evidenceText(view)}`]),
    ...part('next', nextAct(view)),
  ];
}

/** Readiness to roll back in one line. */
export function headline(view: ServiceView, now: number): string {
  if (!view.status && view.gateway?.record?.detached) return 'detached: it serves without lastgood, nobody rolls back';
  if (!view.status)
    return `not known whether it is ready to roll back (${view.source === 'gateway' ? 'only the router answers' : 'nobody answers'})`;
  const { readiness } = view.status;
  if (!readiness.ready)
    return readiness.target === null
      ? `NOT READY to roll back: ${atAGlance(readiness.why)}`
      : `NOT READY to roll back (it would choose ${readiness.target}): ${atAGlance(readiness.why)}`;
  return `ready to roll back to ${readiness.target ?? '?'}${readyDetail(readiness, now)}`;
}

function readyDetail(readiness: Readiness, now: number): string {
  const { warm, provenAt, expectedMs, why } = readiness;
  if (!warm) return `, cold (${why.replace(/^.*?; cold: /, '')})`;
  const proven = provenAt === null ? '' : `, proof holds (told ${ago(provenAt, now)})`;
  return `: warm${proven}${expectedMs === null ? '' : `, about ${span(expectedMs)} to traffic`}`;
}

const GLANCE_CHARS = 200;

/** Whole phrases, without what charts promise: that is for `explain`. */
function atAGlance(text: string): string {
  const said = text.replace(/; a false alarm of this size comes at most once in [\d.]* ?\w*/g, '');
  if (said.length <= GLANCE_CHARS) return said;
  const end = said.lastIndexOf('; ', GLANCE_CHARS);
  return `${said.slice(0, end > 0 ? end : GLANCE_CHARS)} …`;
}

function conditionText({ word, reasons }: Condition): string {
  const [first, ...more] = reasons;
  if (first === undefined) return word;
  return `${word}: ${atAGlance(first)}${more.length === 0 ? '' : `; and ${plural(more.length, 'more reason')} below`}`;
}

function servesLines(view: ServiceView, now: number): string[] {
  const state = view.status?.state ?? null;
  const declared = state?.declared ?? null;
  const observed = view.gateway?.record ?? null;
  const fallback = view.gateway?.fallback ?? state?.fallbackInUse ?? null;
  const lines: string[] = [];
  const route = observed ?? declared;
  if (!route) return ['nothing: no version has the traffic'];
  const since = view.gateway?.inForceSince ?? state?.routedAt ?? null;
  const live = fallback ? fallback.version : route.primary;
  lines.push(
    `${view.service}@${live}${fallback ? ` (fallback for ${route.primary})` : ''} · epoch ${route.epoch}` +
      `${since === null ? '' : ` since ${when(since, now)}`} · ${routeEvidence(observed, declared)}`,
  );
  if (route.gap)
    lines.push(
      `nobody serves since ${when(route.gap.since, now)}, for about ${span(route.gap.expectedAt - route.gap.since)}: memory holds one copy, and it is stopped first (503 with Retry-After; promised until ${when(route.gap.until, now)})`,
    );
  if (fallback) lines.push(`the router uses its fallback since ${when(fallback.since, now)}: ${fallback.reason}`);
  const digest = route.backends[live]?.[0]?.digest;
  const copies = route.backends[live]?.length ?? 0;
  if (digest) lines.push(`${digest.slice(0, 19)}… Reported by ${copies === 1 ? 'its copy' : `its ${copies} copies`}`);
  lines.push(...identityLines(state, live));
  if (route.share && route.share.until > now)
    lines.push(
      `${route.share.mirror ? 'copies of ' : ''}${Math.round(route.share.weight * 100)} % ${route.share.mirror ? 'go' : 'goes'} to ${route.share.version}${route.share.degrade ? ', made worse,' : ''} until ${when(route.share.until, now)}${route.share.drill ? ` (drill ${route.share.drill})` : ''}`,
    );
  lines.push(...pinnedLines(view, now));
  return lines;
}

/** For a version that something else runs: by what a change behind its address would be seen, and whether one was. */
function identityLines(state: State | null, live: string): string[] {
  const observed = state?.versions.find(({ version }) => version === live)?.observed;
  const { serving } = state ?? {};
  const means = serving?.means ?? observed?.means;
  if (means === undefined) return [];
  const where = serving ? ` at ${serving.address}` : '';
  const lines = [`run by something else${where}; known by ${identityWords(means)}`];
  if (observed && !observed.ownAddress)
    lines.push(
      'the address is shared by all its versions: lastgood can watch and alarm, only whoever runs it can roll back',
    );
  if (serving?.alarmed) lines.push(`WARNING: the address serves ${serving.key}, which lastgood did not deploy`);
  return lines;
}

function routeEvidence(observed: Route | null, declared: Route | null): string {
  if (!observed) return 'Declared; the router does not answer';
  if (!declared) return 'Observed in the router; what is declared is not known';
  return observed.epoch === declared.epoch && observed.primary === declared.primary
    ? 'Observed in the router, as declared'
    : `Observed in the router, but declared is ${declared.primary} at epoch ${declared.epoch}`;
}

function brakes(state: State, now: number): string {
  const { policy, breaker, cooldownUntil, pausedUntil, pausedWhy, consecutive } = state;
  const cooldown =
    cooldownUntil !== null && cooldownUntil > now
      ? `cooldown until ${when(cooldownUntil, now)} (${span(cooldownUntil - now)} left)`
      : 'no cooldown';
  const breakerText = breaker.open
    ? `breaker OPEN since ${breaker.openedAt === null ? '?' : when(breaker.openedAt, now)} (epoch ${breaker.epoch})`
    : `breaker closed (${consecutive} of ${policy.breaker.consecutiveRollbacks} rollbacks)`;
  const paused =
    pausedWhy !== null
      ? [`PAUSED: ${pausedWhy}`]
      : pausedUntil !== null && pausedUntil > now
        ? [`paused until ${when(pausedUntil, now)}`]
        : [];
  return [state.mode, ...paused, cooldown, breakerText].join(' · ');
}

function incidentLines(state: State, now: number): string[] {
  const { incident } = state;
  if (!incident) return ['none'];
  const onset = incident.onsetAt === null ? '' : `, began about ${when(incident.onsetAt, now)}`;
  const lines = [
    `${incident.id} ${incident.phase} (${incident.tier}, cause: ${incident.attribution}${onset})`,
    incident.sentence,
  ];
  if (incident.dropped.length > 0) lines.push(`refused or failed: ${incident.dropped.join(', ')}`);
  if (incident.approvalUntil !== null) lines.push(`approve or deny until ${when(incident.approvalUntil, now)}`);
  return lines;
}

function operationLines(state: State, now: number): string[] {
  const { operation, queued } = state;
  const lines: string[] = [];
  if (operation) {
    const to = operation.version ?? operation.candidates[0] ?? '?';
    lines.push(
      `${operation.kind} ${operation.id} from ${operation.from || 'nothing'} to ${to}: ${operation.step}, for ${span(now - operation.startedAt)}, by ${operation.actor.name}`,
    );
    if (operation.stopping !== null) lines.push(`is being stopped: ${operation.stopping}`);
  }
  if (queued) lines.push(`then deploys ${queued.version}, asked by ${queued.actor.name}`);
  return lines;
}

function bakeLines({ bake }: State, now: number): string[] {
  return bake
    ? [
        `${bake.version} until ${when(bake.until, now)} (${span(bake.until - now)} left), judged by the limits of ${bake.previous}`,
      ]
    : [];
}

function standbyLines({ standby, preparing }: State, now: number): string[] {
  if (standby) {
    const proof =
      standby.proof === 'ok' && standby.proofAt !== null
        ? `proof holds (told ${ago(standby.proofAt, now)}; a failure is told at once)`
        : standby.proof === 'failed'
          ? `its proof FAILED: ${standby.why}`
          : 'not proven yet';
    return [`${standby.version}, ${proof}`];
  }
  return [preparing ? `${preparing.version} is being made ready` : 'none'];
}

function versionRows(state: State, now: number): string[][] {
  return [...state.versions]
    .reverse()
    .map((facts) => [
      facts.version,
      placeOf(state, facts),
      `${facts.standing}${facts.human ? `, vouched for by ${facts.human.by}` : ''}`,
      facts.lastGoodAt === null ? '' : `last good ${when(facts.lastGoodAt, now)}`,
      facts.standing === 'candidate' || facts.standing === 'validated' ? facts.evaluation.why : facts.why,
    ]);
}

function placeOf(state: State, facts: VersionFacts): string {
  if (facts.version === state.declared?.primary) return 'live';
  if (facts.version === state.standby?.version) return 'standby';
  return '·';
}

/** What a switched-off source makes impossible (said, so that nobody relies on it). */
function impossible(state: State): string[] {
  return state.samples
    ? []
    : [
        'samples of inputs are off: no shadow replay before a shift, no paired replay to tell model from environment, ' +
          'no comparison of answers (semantic drift, length, refusals, form), no look at the quality of the inputs, ' +
          'no target chosen by them',
      ];
}

function evidenceText(view: ServiceView): string {
  const parts = [
    view.gateway ? 'route Observed' : 'route Declared',
    ...(view.status ? ['verdicts Observed', 'standing Declared'] : []),
    'digests Reported',
  ];
  return parts.join(', ');
}

/** What nobody deletes, and how much room is left for it. */
function holdLines({ legalHold }: ServiceView): string[] {
  if (legalHold === undefined) return [];
  const { by, reason, disk } = legalHold;
  const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
  const room =
    disk === null ? 'how much room is left is not known' : `${gib(disk.freeBytes)} of ${gib(disk.totalBytes)} free`;
  return [`by ${by}: ${reason}: nothing is deleted; ${room}`];
}
