import type {
  ActName,
  Answer,
  ChartsView,
  IncidentSummary,
  LedgerPage,
  Me,
  Problem,
  Proposal,
  ServiceView,
} from '../api/types';
import type { ApiClient, StoryClient } from '../cli/api-client';
import { exitCodes } from '../cli/exit-codes';
import { CliFailure } from '../cli/failure';

/** What the controller did not do; `what` is its own sentence, `status` null where nobody answered. */
export class ApiRefusal extends CliFailure {
  constructor(
    readonly status: number | null,
    what: string,
  ) {
    super(status === null || status >= 500 ? exitCodes.unreachable : exitCodes.refused, what);
  }
}

interface More {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** The controller's interface as this page uses it. Every method throws an {@link ApiRefusal}. */
export class ConsoleApi implements StoryClient, Pick<ApiClient, 'service' | 'me' | 'proposals' | 'act' | 'second'> {
  /** `token` null: the listener needs none (a client's certificate, or the socket behind a proxy of this machine). */
  constructor(private readonly token: string | null) {}

  me(): Promise<Me> {
    return this.json('GET', '/v1/me');
  }
  async services(): Promise<readonly ServiceView[]> {
    return (await this.json<{ services: ServiceView[] }>('GET', '/v1/services')).services;
  }
  service(name: string): Promise<ServiceView> {
    return this.json('GET', `/v1/services/${part(name)}`);
  }
  charts(service: string, spanMs: number): Promise<ChartsView> {
    return this.json('GET', `/v1/services/${part(service)}/charts?span=${spanMs}`);
  }
  ledger(service: string, query: Parameters<ApiClient['ledger']>[1] = {}): Promise<LedgerPage> {
    return this.json('GET', `/v1/services/${part(service)}/ledger${queryText({ ...query })}`);
  }
  async incidents(query: { service?: string; limit?: number }): Promise<readonly IncidentSummary[]> {
    return (await this.json<{ incidents: IncidentSummary[] }>('GET', `/v1/incidents${queryText(query)}`)).incidents;
  }
  async proposals(): Promise<readonly Proposal[]> {
    return (await this.json<{ proposals: Proposal[] }>('GET', '/v1/proposals')).proposals;
  }
  async chart(service: string, incident: string, digest?: string): Promise<string> {
    const path = `/v1/services/${part(service)}/incidents/${part(incident)}/chart${queryText({ digest })}`;
    return await (await this.answer('GET', path)).text();
  }
  act(service: string, name: ActName, body: Readonly<Record<string, unknown>>): Promise<Answer | Proposal> {
    return this.json('POST', `/v1/services/${part(service)}/acts/${part(name)}`, body);
  }
  second(proposal: string, reason: string): Promise<Answer> {
    return this.json('POST', `/v1/proposals/${part(proposal)}/second`, { reason });
  }

  /** Server-sent events; `EventSource` cannot send the token. */
  async events(service: string, lastId: string | null, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const headers: Record<string, string> = lastId === null ? {} : { 'last-event-id': lastId };
    const { body } = await this.answer('GET', `/v1/services/${part(service)}/events`, undefined, { headers, signal });
    if (body === null) throw new ApiRefusal(null, 'the controller sent no events');
    return body;
  }

  private async json<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    const answer = await this.answer(method, path, body, { signal: AbortSignal.timeout(15_000) });
    try {
      return (await answer.json()) as T;
    } catch (error) {
      throw new ApiRefusal(null, `the controller's answer ended too early: ${(error as Error).message}`);
    }
  }

  private async answer(method: 'GET' | 'POST', path: string, body?: unknown, more: More = {}): Promise<Response> {
    const headers: Record<string, string> = {
      ...more.headers,
      ...(this.token === null ? {} : { authorization: `Bearer ${this.token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    let answer: Response;
    try {
      answer = await fetch(path, { ...more, ...sent, method, headers, cache: 'no-store', redirect: 'error' });
    } catch (error) {
      throw new ApiRefusal(null, `the controller does not answer: ${(error as Error).message}`);
    }
    // A refused act is an answer with its reasons, not a fault.
    if (answer.ok || (answer.status === 409 && method === 'POST' && isJson(answer))) return answer;
    throw new ApiRefusal(answer.status, await problemOf(answer));
  }
}

function isJson(answer: Response): boolean {
  return answer.headers.get('content-type')?.startsWith('application/json') ?? false;
}

async function problemOf(answer: Response): Promise<string> {
  const problem = (await answer.json().catch(() => ({}))) as Partial<Problem>;
  return problem.detail ?? `the controller answered ${answer.status}`;
}

const part = encodeURIComponent;

function queryText(query: Readonly<Record<string, unknown>>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== false);
  const text = (value: unknown): string =>
    value === true ? '1' : Array.isArray(value) ? value.join(',') : String(value);
  return given.length === 0 ? '' : `?${given.map(([name, value]) => `${name}=${part(text(value))}`).join('&')}`;
}
