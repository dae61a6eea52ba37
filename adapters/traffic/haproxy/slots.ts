import type { Place, SlotPlan } from './lanes';
import { laneId, laneName, slotId, slotName, SLOTS, type SlotRole } from './layout';

/** A slot as HAProxy has it. */
export interface SlotState {
  readonly lane: string;
  readonly slot: string;
  readonly host: string;
  readonly port: number;
  readonly admin: 'ready' | 'drain' | 'maint';
}

// Bits of srv_admin_state (management guide, "show servers state"): forced and inherited maintenance, forced and inherited drain.
const MAINTENANCE = 0x01 | 0x02 | 0x20;
const DRAIN = 0x08 | 0x10;

/** @param answer of `show servers state` */
export function slotStates(answer: string): SlotState[] {
  const states: SlotState[] = [];
  for (const line of answer.split('\n')) {
    const fields = line.split(' ');
    if (fields.length < 19 || line.startsWith('#')) continue;
    const [, lane = '', , slot = '', host = '', , admin = ''] = fields;
    const bits = Number(admin);
    const state = (bits & MAINTENANCE) !== 0 ? 'maint' : (bits & DRAIN) !== 0 ? 'drain' : 'ready';
    states.push({ lane, slot, host, port: Number(fields[18]), admin: state });
  }
  return states;
}

/** Which server of the plan stands in which slot; a server that has one already keeps it. */
export function fillSlots(
  service: string,
  { lane, role, places }: SlotPlan,
  found: readonly SlotState[],
): { readonly slot: string; readonly place: Place | null; readonly now: SlotState | undefined }[] {
  const name = laneName(service, lane);
  const slots = Array.from({ length: SLOTS }, (_, index) => {
    const slot = slotName(role, index + 1);
    return { slot, now: found.find((state) => state.lane === name && state.slot === slot) };
  });
  const left = [...places];
  const kept = slots.map(({ now }) => {
    const at = left.findIndex(({ host, port }) => now?.admin !== 'maint' && now?.host === host && now.port === port);
    return at < 0 ? null : (left.splice(at, 1)[0] ?? null);
  });
  // What waits in maintenance is taken before what still drains.
  const free = slots
    .map(({ now }, index) => ({ index, drains: now?.admin === 'drain' || now?.admin === 'ready' }))
    .filter(({ index }) => kept[index] === null)
    .sort((a, b) => Number(a.drains) - Number(b.drains));
  for (const { index } of free) kept[index] = left.shift() ?? null;
  return slots.map(({ slot, now }, index) => ({ slot, now, place: kept[index] ?? null }));
}

/**
 * Commands that make the slots of a plan what it says; none where they are so already. A server that is left keeps its
 * requests: only new ones do not come.
 */
export function slotCommands(service: string, plan: SlotPlan, found: readonly SlotState[]): string[] {
  const name = laneName(service, plan.lane);
  return fillSlots(service, plan, found).flatMap(({ slot, place, now }) => {
    const server = `${name}/${slot}`;
    if (place === null) return now?.admin === 'ready' ? [`set server ${server} state drain`] : [];
    const { host, port } = place;
    if (now?.host === host && now.port === port)
      return now.admin === 'ready' ? [] : [`set server ${server} state ready`];
    return [
      // Maintenance also drops the idle connections to the server that stood here before.
      `set server ${server} state maint`,
      `set server ${server} addr ${checkedHost(host)} port ${port}`,
      `set server ${server} state ready`,
    ];
  });
}

/** True when every server of the plan stands in a slot and takes requests. */
export function isFilled(service: string, plan: SlotPlan, found: readonly SlotState[]): boolean {
  const name = laneName(service, plan.lane);
  return plan.places.every(({ host, port }) =>
    found.some((one) => one.lane === name && one.host === host && one.port === port && one.admin === 'ready'),
  );
}

const stateHeader = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port
`;

/**
 * The server state file: what HAProxy puts into the slots when it starts. Every server begins as one that answers: the
 * checks say within a second which do not. Slots that are not named start empty.
 */
export function serverStateText(
  services: readonly { readonly name: string; readonly slots: readonly SlotPlan[]; readonly tls: boolean }[],
): string {
  const lines = services.flatMap(({ name, slots, tls }, index) =>
    slots.flatMap(({ lane, role, places }) =>
      places.map((place, at) => stateLine({ name, index, tls }, lane, role, at + 1, place)),
    ),
  );
  return `${stateHeader}${lines.map((line) => `${line}\n`).join('')}`;
}

function stateLine(
  { name: service, index, tls }: { readonly name: string; readonly index: number; readonly tls: boolean },
  lane: number,
  role: SlotRole,
  number: number,
  place: Place,
): string {
  const { host, port } = place;
  const backend = `${laneId(index, lane)} ${laneName(service, lane)}`;
  const server = `${slotId(role, number)} ${slotName(role, number)} ${checkedHost(host)}`;
  return `${backend} ${server} 2 4 1 1 1 6 3 2 6 0 1 0 - ${port} - ${tls ? 1 : 0} 0 - - 0`;
}

function checkedHost(host: string): string {
  if (!/^[0-9A-Fa-f:.]+$/.test(host)) throw new TypeError(`${JSON.stringify(host)}: expected an IP address`);
  return host;
}
