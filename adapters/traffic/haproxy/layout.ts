import { join } from 'node:path';
import type { EntranceTls, ServerTls, WireProtocol } from './wire';

/** One service as HAProxy routes it. */
export interface HaproxyService {
  readonly name: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly sessionHeader: string | null;
  /** Asked where the header has no id; absent or null: there is none. */
  readonly sessionCookie?: string | null;
  readonly sessionMaxMs: number;
  /** Longest silence of a server, before the first byte and between two. */
  readonly requestMaxMs: number;
  /** A request that a server may have executed already may be sent to another one. */
  readonly repeatable: boolean;
  /** The header that names a version where a record says so; absent: none does. HAProxy has header names in its configuration only. */
  readonly selectorHeader?: string | null;
  /** Absent: HTTP/1.1 alone. */
  readonly protocols?: readonly WireProtocol[];
  /** Towards clients; absent or null: none. */
  readonly tls?: EntranceTls | null;
  /** Towards the servers, whose addresses are then `https://`; absent or null: none, and `http://`. */
  readonly serverTls?: ServerTls | null;
}

export function hasSessions({ sessionHeader, sessionCookie = null }: HaproxyService): boolean {
  return sessionHeader !== null || sessionCookie !== null;
}

export interface HaproxyLayout {
  /** Where HAProxy reads the routes from at start; lastgood writes there. */
  readonly directory: string;
  readonly services: readonly HaproxyService[];
}

/**
 * HAProxy 2.6 cannot add backends at run time, so each service has a fixed number of them, the lanes; a version gets a
 * free one. In a lane `a` slots hold the version's own servers and `b` slots those that step in when all of them are dead.
 */
export const LANES = 8;
export const SLOTS = 8;

export type SlotRole = 'a' | 'b';

/** Everything that reaches the socket is made of these: nothing in it could end a command. */
const plainName = /^[A-Za-z0-9_-]+$/;

export function checkedName(name: string): string {
  if (!plainName.test(name)) throw new TypeError(`${JSON.stringify(name)}: expected letters, digits, _ and - only`);
  return name;
}

/** The directory stands in commands, too; anything else in it would have to be escaped there and in the configuration. */
export function checkedDirectory(directory: string): string {
  if (/^\/[A-Za-z0-9_./-]+$/.test(directory)) return directory;
  throw new TypeError(`${JSON.stringify(directory)}: expected an absolute path of letters, digits, _ . - and /`);
}

export function frontendName(service: string): string {
  return checkedName(`lg_${service}`);
}

/** Between the entrance of a repeatable service and the frontend that decides. */
export function hopName(service: string): string {
  return checkedName(`lg_${service}_hop`);
}

export function routeName(service: string): string {
  return checkedName(`lg_${service}_route`);
}

export function laneName(service: string, lane: number): string {
  return checkedName(`lg_${service}_${lane}`);
}

export function sessionTable(service: string): string {
  return checkedName(`lg_${service}_sessions`);
}

export function slotName(role: SlotRole, number: number): string {
  return checkedName(`${role}${number}`);
}

/** Fixed numbers, so that the state file finds its lanes however many proxies of the operator stand before them. */
export function laneId(serviceIndex: number, lane: number): number {
  return 10_000 + serviceIndex * 100 + lane;
}

/** Number that HAProxy gives to a slot: those of the first template first. */
export function slotId(role: SlotRole, number: number): number {
  return role === 'a' ? number : SLOTS + number;
}

export const configFile = (directory: string): string => join(directory, 'haproxy.cfg');
export const serverStateFile = (directory: string): string => join(directory, 'servers.state');
export const mapFile = (directory: string, service: string): string => join(directory, `${checkedName(service)}.map`);
/** Sessions that must survive a restart of HAProxy; it reads them when it starts. */
export const sessionsFile = (directory: string, service: string): string =>
  join(directory, `${checkedName(service)}.sessions.map`);
export const routeFile = (directory: string, service: string): string =>
  join(directory, `${checkedName(service)}.route.json`);
/** Where the gateway process takes the answer record. */
export const answersSocket = (directory: string): string => join(directory, 'answers.sock');
export const hopSocket = (directory: string, service: string): string =>
  join(directory, `${checkedName(service)}.hop.sock`);
export const announcedFile = (directory: string, service: string): string =>
  join(directory, `${checkedName(service)}.route.next.json`);
/** One for the whole HAProxy: the state file holds the servers of every service. */
export const lockFile = (directory: string): string => join(directory, 'route.lock');

export function address({ listen }: HaproxyService): string {
  const { host, port } = listen;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
