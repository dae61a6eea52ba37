import { HaproxyAnswerRefused, HaproxyOvertaken } from './errors';
import type { LanePlan } from './lanes';
import type { Entries, MapView } from './map-entries';
import type { MasterCli, Worker } from './master-cli';
import { ofEach, SERVER_COUNTERS, viewIn } from './running';
import { isFilled, slotCommands, slotStates, type SlotState } from './slots';

/** A new generation of the map in one worker, and what was there when it was opened. */
export interface Generation {
  readonly worker: Worker;
  readonly number: number;
  readonly view: MapView;
  readonly slots: readonly SlotState[];
  /** Answer of `show stat` for the servers; null where it was not asked for. */
  readonly counters: string | null;
}

/** What every worker has to have. */
export interface Change {
  readonly file: string;
  readonly service: string;
  readonly plan: LanePlan;
  readonly entries: Entries;
}

interface OpenOptions {
  /** Asked along, for whoever needs to know which lanes are busy. */
  readonly withCounters?: boolean;
  /** It is open: from here on may be looked at what decides, while the rest is answered. */
  readonly onOpened?: () => void;
}

/**
 * Opens a new generation of the map. HAProxy refuses to put one in force when a later one is: so whoever opened first and
 * was held up cannot overwrite what came after it. What is looked at is looked at later.
 */
export async function openGeneration(
  cli: MasterCli,
  worker: Worker,
  file: string,
  { withCounters = false, onOpened }: OpenOptions = {},
): Promise<Generation> {
  const commands = [`prepare map ${file}`, `show map ${file}`, 'show servers state'];
  if (withCounters) commands.push(SERVER_COUNTERS);
  const [opened = '', map = '', servers = '', counters = null] = await cli.askAll(worker.pid, commands, onOpened);
  const view = viewIn(map, file);
  const made = /^New version created: (\d+)$/.exec(opened);
  if (made === null) throw new HaproxyAnswerRefused(`prepare map ${file}: expected a new version, found ${opened}`);
  return { worker, number: Number(made[1]), view, slots: slotStates(servers), counters };
}

/** In every worker, the one in charge first. */
export async function openGenerations(
  cli: MasterCli,
  workers: readonly Worker[],
  file: string,
  options: OpenOptions,
): Promise<Generation[]> {
  const { onOpened, ...others } = options;
  const last = workers.at(-1);
  const open = async (worker: Worker): Promise<Generation> =>
    await openGeneration(cli, worker, file, worker === last && onOpened ? options : others);
  return [...(await ofEach(cli, open, workers)).values()];
}

/**
 * The servers, and the route beside the one in force. What the plan does not name keeps its place: it gets nothing, ends
 * what it began, and going back to it is one step.
 *
 * A worker that a reload has left takes no servers any more, only routes; it follows where it has the servers already.
 * Where it has not, each client that it still holds may send it one more request, which goes the former way.
 */
export async function fillGeneration(
  cli: MasterCli,
  { worker, number, slots }: Generation,
  { file, service, plan, entries }: Change,
): Promise<'filled' | 'cannot follow'> {
  const { pid, reloads } = worker;
  const servers = reloads === 0 ? plan.slots.flatMap((one) => slotCommands(service, one, slots)) : [];
  if (reloads > 0 && !plan.slots.every((one) => one.role === 'b' || isFilled(service, one, slots))) {
    return 'cannot follow';
  }
  const lines = entries.map(([key, value]) => `${key} ${value}\n`).join('');
  const commands = [...servers, `add map @${number} ${file} <<\n${lines}`];
  const answers = await cli.askAll(pid, commands);
  answers.forEach((said, at) => {
    // Success is an empty answer, except where an address is set (it says what has changed) and for a payload (`+`).
    if (/^[+\s]*$/.test(said) || /changed from|no need to change/.test(said)) return;
    throw new HaproxyAnswerRefused(`${commands[at]?.split('\n')[0] ?? ''}: ${said}`);
  });
  return 'filled';
}

/** The one step: the next request of every client finds the whole new route. */
export async function putInForce(
  cli: MasterCli,
  { worker, number }: Generation,
  { file, service }: Change,
): Promise<void> {
  const said = await cli.ask(worker.pid, `commit map @${number} ${file}`);
  if (/out of range/i.test(said)) {
    throw new HaproxyOvertaken(`the route of ${service}: HAProxy has taken a later one in the meantime (${said})`);
  }
  if (said !== '') throw new HaproxyAnswerRefused(`commit map ${file}: ${said}`);
}
