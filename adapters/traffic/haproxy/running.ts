import { HaproxyAnswerRefused } from './errors';
import { mapView, type MapView } from './map-entries';
import type { MasterCli, Worker } from './master-cli';
import type { Lane } from './stored-route';

/** What is said of a worker that has ended while it was asked: it answers nobody any more. */
const gone = /Can't find the target|Can't connect to the target/i;

/** The counters of every server. */
export const SERVER_COUNTERS = 'show stat -1 4 -1';

/** Asks every worker, also those that only finish what they began: their clients may send further requests to them. */
export async function ofEach<T>(
  cli: MasterCli,
  work: (worker: Worker) => Promise<T>,
  workers?: readonly Worker[],
): Promise<Map<number, T>> {
  const answers = new Map<number, T>();
  for (const worker of workers ?? (await cli.workers())) {
    try {
      answers.set(worker.pid, await work(worker));
    } catch (fault) {
      if (worker.reloads === 0 || !(fault instanceof HaproxyAnswerRefused) || !gone.test(fault.message)) throw fault;
    }
  }
  return answers;
}

export async function viewOf(cli: MasterCli, worker: number, file: string): Promise<MapView> {
  return viewIn(await cli.ask(worker, `show map ${file}`), file);
}

/** @param answer of `show map` */
export function viewIn(answer: string, file: string): MapView {
  if (/^Unknown map/i.test(answer)) {
    throw new HaproxyAnswerRefused(
      `HAProxy has no map ${file} (${answer}): it runs with another configuration. Write it with \`lastgood haproxy config\`, then reload HAProxy`,
    );
  }
  return mapView(answer);
}

/** Requests in flight by version, over all workers. */
export function inFlight(
  answers: Iterable<string>,
  service: string,
  lanes: Readonly<Record<string, Lane>>,
): Record<string, number> {
  const running: Record<string, number> = {};
  for (const answer of answers) {
    for (const { lane, slot, requests } of requestsOf(answer, service)) {
      const held = lanes[lane];
      const version = slot.startsWith('b') ? held?.steppingIn : held?.version;
      if (version !== undefined && version !== null && requests > 0)
        running[version] = (running[version] ?? 0) + requests;
    }
  }
  return running;
}

/** Lanes in which a request is in flight, over all workers. @param answers of {@link SERVER_COUNTERS} */
export function busyLanes(answers: Iterable<string>, service: string): Set<number> {
  const running = [...answers].flatMap((answer) => requestsOf(answer, service));
  return new Set(running.filter(({ requests }) => requests > 0).map(({ lane }) => lane));
}

export interface LaneRequests {
  readonly lane: number;
  readonly slot: string;
  readonly requests: number;
}

/** @param answer of `show stat`: comma-separated, the first line names the columns */
export function requestsOf(answer: string, service: string): LaneRequests[] {
  const [head = '', ...rows] = answer.split('\n');
  const columns = head.replace(/^# /, '').split(',');
  const [proxy, server, current] = ['pxname', 'svname', 'scur'].map((name) => columns.indexOf(name));
  if (proxy === -1 || server === -1 || current === -1) {
    throw new HaproxyAnswerRefused(`show stat: expected columns pxname, svname, scur, found ${head.slice(0, 200)}`);
  }
  const lane = new RegExp(`^lg_${service}_(\\d+)$`);
  return rows.flatMap((row) => {
    const fields = row.split(',');
    const match = lane.exec(fields[proxy ?? 0] ?? '');
    if (match === null) return [];
    return [{ lane: Number(match[1]), slot: fields[server ?? 0] ?? '', requests: Number(fields[current ?? 0] ?? 0) }];
  });
}
