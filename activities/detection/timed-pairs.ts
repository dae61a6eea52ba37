import { setTimeout as pause } from 'node:timers/promises';
import type { PairedLatency } from '../../domain/detection/paired-evidence';
import type { Json } from '../../domain/ledger';
import type { Backend } from '../../domain/route';
import type { ArtifactStore, Engine, Telemetry, TrafficRouter } from '../ports';
import { engineOn } from '../engine-on';
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
  readonly previous: (Pick<Backend, 'address' | 'selector'> & { readonly version: string }) | null;
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
const ONE_SIDED_MAX = 2;
export const TAIL_LOG = Math.log(2);

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
  const warm = standby === undefined ? undefined : record.backends[standby]?.[0];
  const previous = about.previous ?? (standby && warm ? { ...warm, version: standby } : null);
  if (previous === null) return 'no copy of a previous version is running';
  const [sampled, probes] = await Promise.all([
    quietly(ASK_MS, 'the samples', () => ports.telemetry.samples(service, { version, limit: INPUTS })),
    quietly(ASK_MS, 'the probes', () => ports.artifacts.probes(service, previous.version)),
  ]);
  const bodies = (sampled?.samples ?? []).flatMap(({ body }) => parsed(body) ?? []);
  const requests = bodies.length > 0 ? bodies : (probes ?? []).map(({ request }) => request);
  if (requests.length === 0) return 'there are neither samples nor golden probes to ask';
  const copies = { engine: ports.engine(service), model: about.model, live, previous };
  const found = await timedPairs(copies, requests, about.budgetMs);
  return typeof found === 'string' ? found : { ...found, by: bodies.length > 0 ? 'samples' : 'probes' };
}

/** A sampled body may have been cut or redacted into something that is no JSON; then it is no input. */
export function parsed(body: string): Json | undefined {
  try {
    return JSON.parse(body) as Json;
  } catch {
    return undefined;
  }
}

type Copy = Pick<Backend, 'address' | 'selector'>;
interface Copies {
  readonly engine: Engine;
  readonly model: string;
  readonly live: Copy;
  readonly previous: Copy;
}

/**
 * Each pair in alternating order and one call at a time, the requests in turn and again. A text where fewer than two pairs
 * were answered within the budget, or where one copy alone does not answer: what is left would be its good side.
 */
async function timedPairs(
  copies: Copies,
  requests: readonly Json[],
  budgetMs: number,
): Promise<Omit<PairedLatency, 'by'> | string> {
  const { live, previous } = copies;
  const until = performance.now() + budgetMs;
  const logs: number[] = [];
  const failed = { live: 0, previous: 0 };
  for (let round = 0; logs.length < PAIRS_MAX && performance.now() < until; round += 1) {
    const body = requests[round % requests.length] as Json;
    const first = round % 2 === 0 ? live : previous;
    const began = performance.now();
    const [a, b] = [await timeOf(copies, first, body), await timeOf(copies, first === live ? previous : live, body)];
    if (a === null || b === null) {
      const [ofLive, ofPrevious] = first === live ? [a, b] : [b, a];
      if (ofLive === null) failed.live += 1;
      if (ofPrevious === null) failed.previous += 1;
      if (failed.live + failed.previous > FAILURES_MAX) break;
      continue;
    }
    if (round >= WARM_UP) logs.push(first === live ? Math.log(a / b) : Math.log(b / a));
    // As long a pause as a tenth of what it took: live load comes first.
    await pause(Math.max(GAP_MS, (performance.now() - began) / 10));
  }
  if (Math.abs(failed.live - failed.previous) > ONE_SIDED_MAX)
    return `the copies do not answer alike: ${failed.live} calls failed on the live one, ${failed.previous} on the other`;
  if (logs.length < 2) return 'the copies did not both answer';
  const meanLog = logs.reduce((sum, one) => sum + one, 0) / logs.length;
  const variance = logs.reduce((sum, one) => sum + (one - meanLog) ** 2, 0) / (logs.length - 1);
  const tail = {
    slower: logs.filter((one) => one - meanLog > TAIL_LOG).length,
    faster: logs.filter((one) => meanLog - one > TAIL_LOG).length,
  };
  return { pairs: logs.length, meanLog, sdLog: Math.sqrt(variance), tail };
}

/** Milliseconds of one good answer; null for any other. */
async function timeOf({ engine, model }: Copies, copy: Copy, body: Json): Promise<number | null> {
  const ask = (): ReturnType<Engine['infer']> =>
    engineOn(engine, copy).infer(copy.address, model, body, { timeoutMs: CALL_MS, headers: mirrorHeaders });
  const answer = await quietly(CALL_MS + 500, 'a timed request', ask);
  return answer?.status === 200 && answer.ms > 0 ? answer.ms : null;
}
