import { request } from 'node:http';
import type { AnswersAt } from '../../gateway/protocol';
import type { ChainedEntry } from '../../domain/ledger';
import type { ServiceStatus } from '../../workflows/contract/status';
import type { StandingDegradation } from '../../domain/service/state';
import type { DegradationBegan } from '../../domain/service/events';
import { until } from './poll';

const LIMIT_MS = 20_000;

export interface Decided {
  readonly decision: 'accepted' | 'refused';
  readonly why: string;
  readonly reference: string | null;
}

export interface Answered {
  readonly status: number;
  readonly body: unknown;
}

/** The controller's HTTP interface over its Unix socket, as a local operator uses it. */
export class Api {
  private acts = 0;

  constructor(
    private readonly socketPath: string,
    private readonly service: string,
  ) {}

  get(path: string): Promise<Answered> {
    return this.exchange('GET', path, '');
  }

  async post(path: string, body: object): Promise<unknown> {
    const answered = await this.exchange('POST', path, JSON.stringify(body));
    if (answered.status >= 300) throw new Error(`POST ${path}: ${answered.status} ${JSON.stringify(answered.body)}`);
    return answered.body;
  }

  /** An act of an operator; a refusal is an answer. Asked again while the controller or Temporal is away. */
  async act(name: string, body: Record<string, unknown> = {}): Promise<Decided> {
    this.acts += 1;
    const message = { requestId: `test-${process.pid}-${this.acts}`, reason: 'test', ...body };
    return await until(
      `an answer to ${name}`,
      async () => {
        const path = `/v1/services/${this.service}/acts/${name}`;
        const answered = await this.exchange('POST', path, JSON.stringify(message)).catch(() => null);
        if (answered === null || answered.status >= 500) return null;
        if (answered.status >= 400 && answered.status !== 409) throw new Error(JSON.stringify(answered.body));
        return answered.body as Decided;
      },
      30_000,
    );
  }

  /** An act that must be accepted. */
  async accepted(name: string, body: Record<string, unknown> = {}): Promise<Decided> {
    const decided = await this.act(name, body);
    if (decided.decision !== 'accepted') throw new Error(`${name} was refused: ${decided.why}`);
    return decided;
  }

  /** Null while nobody can say. */
  async state(): Promise<ServiceStatus['state'] | null> {
    const status = await this.status();
    return status?.state ?? null;
  }

  async status(): Promise<ServiceStatus | null> {
    const answered = await this.get(`/v1/services/${this.service}`).catch(() => null);
    return (answered?.body as { status?: ServiceStatus | null } | undefined)?.status ?? null;
  }

  async ledger(after = 0): Promise<ChainedEntry[]> {
    const entries: ChainedEntry[] = [];
    for (;;) {
      const from = entries.at(-1)?.seq ?? after;
      const { status, body } = await this.get(`/v1/services/${this.service}/ledger?after=${from}&limit=500`);
      if (status !== 200) throw new Error(`ledger: ${status} ${JSON.stringify(body)}`);
      const page = (body as { entries: ChainedEntry[] }).entries;
      if (page.length === 0) return entries;
      entries.push(...page);
    }
  }

  async ledgerHead(): Promise<number> {
    return (await this.ledger()).at(-1)?.seq ?? 0;
  }

  async verification(): Promise<Record<string, unknown>> {
    return (await this.get(`/v1/services/${this.service}/ledger/verification`)).body as Record<string, unknown>;
  }

  async answersAt(atMs: number): Promise<AnswersAt> {
    return (await this.get(`/v1/services/${this.service}/answers?at=${atMs}`)).body as AnswersAt;
  }

  /** Resolves to the first entry after `after` of which the condition holds. */
  async entry(
    what: string,
    after: number,
    is: (entry: ChainedEntry) => boolean,
    timeoutMs = 30_000,
  ): Promise<ChainedEntry> {
    const found = await until(
      `the ledger entry: ${what}`,
      async () => (await this.ledger(after).catch(() => [])).find(is),
      timeoutMs,
    );
    return found;
  }

  /** Polls the state until the condition holds; the last state is in the error. */
  async whenState<T>(
    what: string,
    holds: (state: ServiceStatus['state']) => T | null | undefined | false,
    timeoutMs = 30_000,
  ): Promise<T> {
    let last: ServiceStatus['state'] | null = null;
    try {
      return await until(
        what,
        async () => {
          last = (await this.state()) ?? last;
          return last === null ? null : holds(last);
        },
        timeoutMs,
      );
    } catch (error) {
      const { declared, operation, incident, standby, breaker, pausedWhy } = (last ?? {}) as Partial<
        ServiceStatus['state']
      >;
      throw new Error(
        `${String(error)}; last state: ${JSON.stringify({ declared, operation, incident, standby, breaker, pausedWhy })}`,
        { cause: error },
      );
    }
  }

  private exchange(method: string, path: string, body: string): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const headers =
        body === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const { socketPath } = this;
      const call = request({ socketPath, method, path, headers, timeout: LIMIT_MS, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({ status: response.statusCode ?? 0, body: text === '' ? null : (JSON.parse(text) as unknown) });
        });
      });
      call.on('timeout', () => call.destroy(new Error(`${method} ${path}: no answer within ${LIMIT_MS} ms`)));
      call.on('error', reject);
      call.end(body);
    });
  }
}

/** What detection would say of a version whose answers are all errors, or that loses a class slowly. */
export function degradation(
  id: string,
  route: { epoch: number; primary: string },
  change: {
    tier?: 'immediate' | 'short-window' | 'trend';
    attribution?: StandingDegradation['attribution'];
    onsetMs?: number;
  } = {},
): DegradationBegan {
  const tier = change.tier ?? 'immediate';
  const metric = tier === 'immediate' ? 'error-rate' : 'recall:spam';
  const onsetMs = change.onsetMs ?? Date.now() - 500;
  return {
    id,
    epoch: route.epoch,
    version: route.primary,
    suppressed: false,
    attribution: change.attribution ?? 'model',
    reasons: ['the test says so'],
    verdict: {
      kind: 'degraded',
      tier,
      metric,
      hard: tier === 'immediate',
      observed: 1,
      expected: 0.005,
      ucl: 0.05,
      lcl: null,
      unit: 'ratio',
      samples: 20,
      sinceMs: onsetMs,
      onsetMs,
      onsetLowMs: onsetMs - 100,
      onsetHighMs: onsetMs + 100,
      statistic: { name: 'told by a test', value: 20, threshold: 15, falseAlarmDays: 30 },
      sentence: `${metric} of ${route.primary} is bad, says the test`,
      baseline: 'none',
    },
  };
}
