import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type {
  ActName,
  Answer,
  AnswerLookup,
  AnswersAt,
  Attachment,
  BackupOutline,
  CacheInvalidated,
  CacheView,
  ChainPage,
  ChaosReport,
  DrillScheduleView,
  IncidentSummary,
  ItemsView,
  LedgerPage,
  LedgerVerification,
  Me,
  Problem,
  Proposal,
  ProvenanceView,
  Pruning,
  Restoration,
  RestorationAccepted,
  ServiceView,
  VersionProof,
  VersionView,
} from '../api/types';
import { exitCodes } from './exit-codes';
import { badUse, CliFailure, unreachable } from './failure';
import { openRequest, placeOf, wordsOf } from './http';
import { unreachableHint, type ApiTarget, type Settings } from './settings';

export interface LedgerQuery {
  readonly after?: number;
  readonly incident?: string;
  readonly kinds?: readonly string[];
  readonly until?: number;
  readonly limit?: number;
  readonly newestFirst?: boolean;
}

/** The controller's HTTP interface. Every method throws a {@link CliFailure}: 69 when nobody answers, 1 when refused. */
export interface ApiClient {
  me(): Promise<Me>;
  services(): Promise<readonly ServiceView[]>;
  service(name: string): Promise<ServiceView>;
  versions(service: string): Promise<readonly VersionView[]>;
  /** A refusal is an answer, not an error. */
  act(service: string, name: ActName, body: Readonly<Record<string, unknown>>): Promise<Answer | Proposal>;
  /** What would be decided; never a proposal. */
  plan(service: string, name: ActName, body: Readonly<Record<string, unknown>>): Promise<Answer>;
  proposals(): Promise<readonly Proposal[]>;
  /** A refusal is an answer, not an error. */
  second(proposal: string, reason: string): Promise<Answer>;
  ledger(service: string, query?: LedgerQuery): Promise<LedgerPage>;
  verification(service: string): Promise<LedgerVerification>;
  /** The newest picture of an incident, or the one of that digest, as SVG. */
  chart(service: string, incident: string, digest?: string): Promise<string>;
  incidents(query: { service?: string; limit?: number }): Promise<readonly IncidentSummary[]>;
  /** Writes down what is about to leave the artifact store. */
  recordPruning(service: string, pruning: Pruning): Promise<void>;
  caches(service: string): Promise<readonly CacheView[]>;
  /** Those that could not be told are in the answer. */
  invalidateCaches(service: string, act: Readonly<Record<string, unknown>>): Promise<CacheInvalidated>;
  items(service: string): Promise<readonly ItemsView[]>;
  itemsOf(service: string, incident: string): Promise<ItemsView>;
  /** One part of a list of items, newline-delimited JSON. */
  itemList(service: string, incident: string, digest: string): Promise<string>;
  tellItems(
    service: string,
    incident: string,
    act: 'sign-off' | 'orders',
    body: Readonly<Record<string, unknown>>,
  ): Promise<unknown>;
  /** Writes the begin or the end of a chaos experiment down; a begin is refused where none may be made. */
  recordChaos(service: string, report: ChaosReport): Promise<void>;
  /** Null where there is none. */
  drillSchedule(service: string): Promise<DrillScheduleView | null>;
  changeDrillSchedule(
    service: string,
    change: 'set' | 'pause' | 'remove',
    body: Readonly<Record<string, unknown>>,
  ): Promise<DrillScheduleView | null>;
  answer(requestId: string): Promise<AnswerLookup>;
  answersAt(service: string, atMs: number): Promise<AnswersAt>;
  /** Whose decision let a version answer; without an answer, what was live. */
  provenance(
    service: string,
    atMs: number,
    answer?: { readonly version?: string; readonly reason?: string },
  ): Promise<ProvenanceView>;
  /** Null where the artifact store does not have the version intact. */
  versionProof(service: string, version: string): Promise<VersionProof | null>;
  attachment(service: string): Promise<Attachment>;
  attach(service: string, body: Readonly<Record<string, unknown>>): Promise<Attachment>;
  restoration(service: string): Promise<Restoration>;
  acceptRestoration(service: string, body: Readonly<Record<string, unknown>>): Promise<RestorationAccepted>;
  backup(): Promise<BackupOutline>;
  chain(service: string, afterSeq: number, untilSeq: number): Promise<ChainPage>;
}

/** What stories are told from; the console has one of its own. */
export type StoryClient = Pick<ApiClient, 'services' | 'incidents' | 'ledger' | 'chart'>;

function isOutcome(json: unknown): boolean {
  return typeof json === 'object' && json !== null && 'outcomes' in json;
}

interface Scheduled {
  readonly schedule: DrillScheduleView | null;
}

/** The title of what the controller answers to a name that it does not have. */
const unknownName = 'There is no such name';
const timeoutMs = 15_000;
const limitBytes = 64 * 1024 * 1024;

export function apiClient(settings: Settings): ApiClient {
  const ask = async <T>(
    method: 'GET' | 'POST',
    path: string,
    body?: unknown,
    also: readonly number[] = [],
  ): Promise<T> => {
    const { status, json } = await call(settings, method, path, body);
    if ((status >= 200 && status < 300) || also.includes(status)) return json as T;
    throw refusal(settings, status, json, `${method} ${path}`);
  };
  const part = encodeURIComponent;
  return {
    me: () => ask('GET', '/v1/me'),
    services: async () => (await ask<{ services: ServiceView[] }>('GET', '/v1/services')).services,
    service: (name) => ask('GET', `/v1/services/${part(name)}`),
    versions: async (service) =>
      (await ask<{ versions: VersionView[] }>('GET', `/v1/services/${part(service)}/versions`)).versions,
    act: (service, name, body) => ask('POST', `/v1/services/${part(service)}/acts/${part(name)}`, body, [409]),
    plan: (service, name, body) =>
      ask('POST', `/v1/services/${part(service)}/acts/${part(name)}`, { ...body, dryRun: true }, [409]),
    proposals: async () => (await ask<{ proposals: Proposal[] }>('GET', '/v1/proposals')).proposals,
    second: (id, reason) => ask('POST', `/v1/proposals/${part(id)}/second`, { reason }, [409]),
    ledger: (service, query = {}) => ask('GET', `/v1/services/${part(service)}/ledger${queryText(query)}`),
    chart: async (service, incident, digest) => {
      const path = `/v1/services/${part(service)}/incidents/${part(incident)}/chart${queryText({ digest })}`;
      const { status, text } = await answerOf(settings, 'GET', path);
      if (status === 200) return text;
      throw refusal(settings, status, readJson(text, path), `GET ${path}`);
    },
    caches: async (service) =>
      (await ask<{ caches: CacheView[] }>('GET', `/v1/services/${part(service)}/caches`)).caches,
    invalidateCaches: async (service, act) => {
      const path = `/v1/services/${part(service)}/caches/invalidations`;
      const { status, json } = await call(settings, 'POST', path, act);
      if (status < 300 || isOutcome(json)) return json as CacheInvalidated;
      throw refusal(settings, status, json, `POST ${path}`);
    },
    verification: (service) => ask('GET', `/v1/services/${part(service)}/ledger/verification`),
    incidents: async (query) =>
      (await ask<{ incidents: IncidentSummary[] }>('GET', `/v1/incidents${queryText(query)}`)).incidents,
    recordPruning: async (service, pruning) =>
      void (await ask('POST', `/v1/services/${part(service)}/prunings`, pruning)),
    items: async (service) =>
      (await ask<{ incidents: ItemsView[] }>('GET', `/v1/services/${part(service)}/items`)).incidents,
    itemsOf: (service, incident) => ask('GET', `/v1/services/${part(service)}/items/${part(incident)}`),
    itemList: async (service, incident, digest) => {
      const path = `/v1/services/${part(service)}/items/${part(incident)}/lists/${part(digest)}`;
      const { status, text } = await answerOf(settings, 'GET', path);
      if (status === 200) return text;
      throw refusal(settings, status, readJson(text, path), `GET ${path}`);
    },
    tellItems: (service, incident, act, body) =>
      ask('POST', `/v1/services/${part(service)}/items/${part(incident)}/${act}`, body),
    recordChaos: async (service, report) => void (await ask('POST', `/v1/services/${part(service)}/chaos`, report)),
    drillSchedule: async (service) =>
      (await ask<Scheduled>('GET', `/v1/services/${part(service)}/drills/schedule`)).schedule,
    changeDrillSchedule: async (service, change, body) => {
      const path = `/v1/services/${part(service)}/drills/schedule${change === 'set' ? '' : `/${change}`}`;
      return (await ask<Scheduled>('POST', path, body)).schedule;
    },
    answer: (requestId) => ask('GET', `/v1/answers/${part(requestId)}`),
    attachment: (service) => ask('GET', `/v1/services/${part(service)}/attachment`),
    attach: (service, body) => ask('POST', `/v1/services/${part(service)}/attachment`, body),
    restoration: (service) => ask('GET', `/v1/services/${part(service)}/restoration`),
    acceptRestoration: (service, body) => ask('POST', `/v1/services/${part(service)}/restoration/acceptance`, body),
    backup: () => ask('GET', '/v1/backup'),
    chain: (service, after, until) => ask('GET', `/v1/backup/chains/${part(service)}${queryText({ after, until })}`),
    answersAt: (service, atMs) => ask('GET', `/v1/services/${part(service)}/answers?at=${Math.round(atMs)}`),
    provenance: (service, atMs, { version, reason } = {}) =>
      ask('GET', `/v1/services/${part(service)}/provenance${queryText({ at: Math.round(atMs), version, reason })}`),
    versionProof: async (service, version) => {
      const path = `/v1/services/${part(service)}/versions/${part(version)}/proof`;
      const { status, json } = await call(settings, 'GET', path);
      if (status === 200) return json as VersionProof;
      // Also of a name that no version can have.
      if (status === 404) return null;
      throw refusal(settings, status, json, `GET ${path}`);
    },
  };
}

function queryText(query: Readonly<Record<string, unknown>> | LedgerQuery): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== false);
  if (given.length === 0) return '';
  const text = (value: unknown): string =>
    value === true ? '1' : Array.isArray(value) ? value.join(',') : String(value);
  return `?${given.map(([name, value]) => `${name}=${encodeURIComponent(text(value))}`).join('&')}`;
}

/** What the controller's problem means for a command. */
export function refusal(settings: Settings, status: number, json: unknown, what: string): CliFailure {
  const problem = (typeof json === 'object' && json !== null ? json : {}) as Partial<Problem>;
  const said = problem.detail ?? `${what} was answered ${status}`;
  if (status === 401) return new CliFailure(exitCodes.refused, `the controller does not accept the token: ${said}`);
  if (status === 400) return badUse(said);
  // Not `refused`: to a monitor, 1 of `status` says that a service is degraded.
  if (problem.title === unknownName) return badUse(said, 'lastgood status');
  if (status === 503) return unreachable(said, 'lastgood doctor');
  if (status >= 500)
    return unreachable(`${problem.title ?? 'the controller failed'}: ${said}`, unreachableHint(settings));
  return new CliFailure(exitCodes.refused, said);
}

/** One call; rejects with a {@link CliFailure} of exit code 69 when there is no whole answer. */
export async function call(
  settings: Settings,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<{ status: number; json: unknown }> {
  const { status, text } = await answerOf(settings, method, path, body);
  return { status, json: readJson(text, `${method} ${path} at ${placeOf(settings.target)}`) };
}

async function answerOf(
  settings: Settings,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<{ status: number; text: string }> {
  const { target } = settings;
  try {
    return await exchange(target, method, path, body === undefined ? null : JSON.stringify(body));
  } catch (error) {
    // Nothing was sent yet where nobody listens: another controller of the same data directory may be asked.
    for (const socket of nobodyListens(error) && target.kind === 'socket' ? otherSockets(target.path) : [])
      try {
        const other = { kind: 'socket' as const, path: socket };
        return await exchange(other, method, path, body === undefined ? null : JSON.stringify(body));
      } catch (another) {
        if (!nobodyListens(another)) throw another;
      }
    if (error instanceof CliFailure) throw error;
    throw unreachable(
      `the controller does not answer at ${placeOf(settings.target)}: ${wordsOf(error)}`,
      unreachableHint(settings),
      error,
    );
  }
}

function nobodyListens(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

/** `api-NAME.sock` beside `api.sock`, as a second controller has it. */
function otherSockets(first: string): string[] {
  const directory = dirname(first);
  try {
    return readdirSync(directory)
      .filter((name) => /^api-[a-z0-9-]+\.sock$/.test(name))
      .map((name) => join(directory, name));
  } catch {
    return [];
  }
}

function readJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unreachable(
      `${what}: found ${JSON.stringify(text.slice(0, 80))}, expected JSON`,
      'is something else listening there?',
    );
  }
}

function exchange(
  target: ApiTarget,
  method: string,
  path: string,
  body: string | null,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = body === null ? {} : { 'content-type': 'application/json' };
    const request = openRequest(target, { method, path, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (piece: string) => {
        text += piece;
        if (text.length > limitBytes) answer.destroy(new Error(`the answer is longer than ${limitBytes} bytes`));
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      answer.on('error', reject);
    });
    const timer = setTimeout(
      () => request.destroy(new Error(`no whole answer within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    request.on('error', reject);
    request.on('close', () => clearTimeout(timer));
    request.end(body ?? undefined);
  });
}
