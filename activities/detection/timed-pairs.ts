import { setTimeout as pause } from 'node:timers/promises';
import type { PairedLatency } from '../../domain/detection/paired-evidence';
import type { Json } from '../../domain/ledger';
import type { ArtifactStore, Engine, Telemetry, TrafficRouter } from '../ports';
import { mirrorHeaders } from './mirror';
import { quietly } from './surroundings';

export interface TimingPorts {
  readonly telemetry: Telemetry;
  readonly artifacts: ArtifactStore;
  readonly router: TrafficRouter;
  readonly engine: (service: string) => Engine;
}

export interface BothCopies {
  readonly service: string;
  readonly model: string;
  readonly version: string;
  /** The copy of another version to compare with; null: the fallback of the record in force. */
  readonly previous: { readonly version: string; readonly address: string } | null;
  readonly budgetMs: number;
}

/** Enough inputs for a comparison of times; the same ones are asked again. */
const INPUTS = 20;
const ASK_MS = 5_000;
const PAIRS_MAX = 120;
/** An idle copy needs some calls before its caches are as warm as those of one that works. */
const WARM_UP = 3;
const CALL_MS = 5_000;
/** Yields to live load. */
const GAP_MS = 20;
const FAILURES_MAX = 5;

/**
 * Times the same requests on the live copy and on one of another version: recent inputs where they are sampled, else the
 * golden probes. A text: why it could not be done. Never rejects.
 */
export async function timeBoth(ports: TimingPorts, about: BothCopies): Promise<PairedLatency | string> {
  const { service, version } = about;
  const state = await quietly(ASK_MS, 'the route', () => ports.router.read(service));
  const record = state?.record;
  const live = record?.backends[version]?.[0];
  if (!record || !live) return 'the router names no copy of the live version';
  const standby = record.fallback;
  const address = standby === undefined ? undefined : record.backends[standby]?.[0]?.address;
  const previous = about.previous ?? (standby && address ? { version: standby, address } : null);
  if (previous === null) return 'no copy of a previous version is running';
  const [sampled, probes] = await Promise.all([
    quietly(ASK_MS, 'the samples', () => ports.telemetry.samples(service, { version, limit: INPUTS })),
    quietly(ASK_MS, 'the probes', () => ports.artifacts.probes(service, previous.version)),
  ]);
  const bodies = (sampled?.samples ?? []).flatMap(({ body }) => parsed(body) ?? []);
  const requests = bodies.length > 0 ? bodies : (probes ?? []).map(({ request }) => request);
  if (requests.length === 0) return 'there are neither samples nor golden probes to ask';
  const copies = { engine: ports.engine(service), model: about.model, live: live.address, previous: previous.address };
  return (await timedPairs(copies, requests, about.budgetMs)) ?? 'the copies did not both answer';
}

/** A sampled body may have been cut or redacted into something that is no JSON; then it is no input. */
export function parsed(body: string): Json | undefined {
  try {
    return JSON.parse(body) as Json;
  } catch {
    return undefined;
  }
}

interface Copies {
  readonly engine: Engine;
  readonly model: string;
  readonly live: string;
  readonly previous: string;
}

/**
 * Each pair in alternating order and one call at a time, the requests in turn and again. Null where fewer than two pairs
 * were answered within the budget.
 */
async function timedPairs(copies: Copies, requests: readonly Json[], budgetMs: number): Promise<PairedLatency | null> {
  const { live, previous } = copies;
  const until = performance.now() + budgetMs;
  const logs: number[] = [];
  let failures = 0;
  for (let round = 0; logs.length < PAIRS_MAX && performance.now() < until; round += 1) {
    const body = requests[round % requests.length] as Json;
    const first = round % 2 === 0 ? live : previous;
    const [a, b] = [await timeOf(copies, first, body), await timeOf(copies, first === live ? previous : live, body)];
    if (a === null || b === null) {
      failures += 1;
      if (failures > FAILURES_MAX) break;
      continue;
    }
    if (round >= WARM_UP) logs.push(first === live ? Math.log(a / b) : Math.log(b / a));
    await pause(GAP_MS);
  }
  if (logs.length < 2) return null;
  const meanLog = logs.reduce((sum, one) => sum + one, 0) / logs.length;
  const variance = logs.reduce((sum, one) => sum + (one - meanLog) ** 2, 0) / (logs.length - 1);
  return { pairs: logs.length, meanLog, sdLog: Math.sqrt(variance) };
}

/** Milliseconds of one good answer; null for any other. */
async function timeOf({ engine, model }: Copies, address: string, body: Json): Promise<number | null> {
  const ask = (): ReturnType<Engine['infer']> =>
    engine.infer(address, model, body, { timeoutMs: CALL_MS, headers: mirrorHeaders });
  const answer = await quietly(CALL_MS + 500, 'a timed request', ask);
  return answer?.status === 200 && answer.ms > 0 ? answer.ms : null;
}
