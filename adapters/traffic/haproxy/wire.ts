import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { checkedName, type HaproxyService } from './layout';

/**
 * What clients speak to HAProxy. `http2`: on TLS by ALPN, without it with prior knowledge (h2c); `grpc`: HTTP/2 to the
 * servers as well, trailers and all; `websocket`: a connection may be upgraded and then stays where it is.
 */
export type WireProtocol = 'http-json' | 'event-stream' | 'http2' | 'grpc' | 'websocket';

/** Towards clients. `clientCaFile`: only clients with a certificate of it; null: all. */
export interface EntranceTls {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string | null;
}

/** Towards the servers. `caFile` null: the CAs of the system; `serverName` null: any name that the CA has signed. */
export interface ServerTls {
  readonly caFile: string | null;
  readonly serverName: string | null;
}

/** After an upgrade nobody may speak for this long. */
const tunnelSilenceMs = 3_600_000;

/** Certificate chain and key in one file: HAProxy 2.6 reads no other form where the two have names of their own. */
export const certificateFile = (directory: string, service: string): string =>
  join(directory, `${checkedName(service)}.pem`);

/** Null where the service has no TLS of its own. Rejects where a file cannot be read; the message names it. */
export async function certificateText({ tls = null }: HaproxyService): Promise<string | null> {
  if (tls === null) return null;
  const [chain, key] = await Promise.all([readFile(tls.certFile, 'utf8'), readFile(tls.keyFile, 'utf8')]);
  return `${chain.trimEnd()}\n${key.trimEnd()}\n`;
}

function speaks({ protocols = [] }: HaproxyService, protocol: WireProtocol): boolean {
  return protocols.includes(protocol);
}

/** What follows the address of a `bind`. */
export function bindOptions(directory: string, service: HaproxyService): string {
  const { tls = null } = service;
  if (tls === null) return '';
  const http2 = speaks(service, 'http2') || speaks(service, 'grpc');
  const clients = tls.clientCaFile === null ? '' : ` ca-file ${checkedPath(tls.clientCaFile)} verify required`;
  return ` ssl crt ${certificateFile(directory, service.name)} alpn ${http2 ? 'h2,http/1.1' : 'http/1.1'}${clients}`;
}

/**
 * A request goes on in one piece, as far as it fits a buffer: what the frontend behind leaves unread when it closes would
 * reset the connection between the two, and a reset is what HAProxy does not repeat. Not where both ends talk at once.
 */
export function onePieceText(service: HaproxyService): string {
  const atOnce = speaks(service, 'grpc') || speaks(service, 'websocket');
  return service.repeatable && !atOnce ? '    option http-buffer-request\n' : '';
}

/** Lines of the frontend that clients come to: what was not declared is not spoken. */
export function spokenText(service: HaproxyService): string {
  const http2 = speaks(service, 'http2') || speaks(service, 'grpc');
  const upgrade = `    http-request return status 501 content-type application/json hdr x-lastgood-reason websocket-not-declared string '{"error":"websocket-not-declared"}' if { req.hdr(upgrade) -i websocket }\n`;
  return `${http2 ? '' : '    option disable-h2-upgrade\n'}${speaks(service, 'websocket') ? '' : upgrade}`;
}

/** Between the two passes: HTTP/2 where a request and its answer run at the same time and end in trailers. */
export function hopOptions(service: HaproxyService): string {
  return speaks(service, 'grpc') ? ' proto h2' : '';
}

/** What follows the name of a `default-server`. */
export function serverOptions(service: HaproxyService): string {
  const { serverTls = null } = service;
  const grpc = speaks(service, 'grpc');
  if (serverTls === null) return grpc ? ' proto h2' : '';
  const { caFile, serverName } = serverTls;
  const name = serverName === null ? '' : ` sni str(${checkedHostName(serverName)}) verifyhost ${serverName}`;
  const ca = caFile === null ? '@system-ca' : checkedPath(caFile);
  return ` ssl verify required ca-file ${ca}${name}${grpc ? ' alpn h2 proto h2' : ' alpn http/1.1'}`;
}

/** Lines of a backend on the way of an upgraded connection. */
export function tunnelText(service: HaproxyService): string {
  return speaks(service, 'websocket') ? `    timeout tunnel ${tunnelSilenceMs}ms\n` : '';
}

function checkedPath(path: string): string {
  if (/^\/[A-Za-z0-9_./+-]+$/.test(path)) return path;
  throw new TypeError(`${JSON.stringify(path)}: expected an absolute path of letters, digits, _ . - + and /`);
}

function checkedHostName(name: string): string {
  if (/^[A-Za-z0-9.-]+$/.test(name)) return name;
  throw new TypeError(`${JSON.stringify(name)}: expected the name of a host`);
}
