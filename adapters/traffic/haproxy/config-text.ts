import { entranceText, hopText } from './entrance-text';
import { serverOptions, tunnelText } from './wire';
import {
  answersSocket,
  hasSessions,
  laneId,
  laneName,
  LANES,
  serverStateFile,
  sessionTable,
  SLOTS,
  type HaproxyLayout,
  type HaproxyService,
} from './layout';

/** Sessions that can be pinned at the same time; the oldest unused ones go first. */
const sessionsMax = 100_000;

/**
 * The whole `haproxy.cfg`. It never changes with a route: HAProxy reads which version gets what from a map and where the
 * servers are from its server state file, both data that lastgood writes, at start as well as at run time. So the file may
 * belong to root, and a reload or restart comes up on the route in force.
 */
export function configText(layout: HaproxyLayout): string {
  const services = layout.services.map((service, index) => serviceText(layout.directory, service, index));
  return [header(layout.directory), ...services].join('\n');
}

function header(directory: string): string {
  return `# Written by \`lastgood haproxy config\`; \`lastgood doctor\` compares. Start HAProxy with a master process and its socket:
#   haproxy -W -S SOCKET,mode,600 -f THIS_FILE
global
    # A request of a repeatable service counts twice here while it runs.
    maxconn 6000
    server-state-file ${serverStateFile(directory)}
    # The pins of sessions reach the next process through this peer at a reload.
    localpeer lastgood
    # After a reload the old process may finish what it began, and no longer.
    hard-stop-after 30m
    log /dev/log local0
    ssl-default-bind-options ssl-min-ver TLSv1.2
    ssl-default-server-options ssl-min-ver TLSv1.2

defaults lastgood
    mode http
    log global
    option dontlognull
    # Also bounds the pause before a second try at the same server.
    timeout connect 200ms
    timeout http-keep-alive 60s
    timeout http-request 10s
    timeout queue 10s
    retries 3
    # Every second try may go to another server, not only the last one.
    option redispatch 1
    option splice-auto
    http-reuse safe
    load-server-state-from-file global
    # A UUIDv7: its time names the hour of its line in the answer record.
    unique-id-format %[date(0,ms),hex,lower,bytes(4,8)]-%[date(0,ms),hex,lower,bytes(12,4)]-7%[uuid(),bytes(15,21)]

# The answer record, to lastgood's gateway process. While that is away, the newest lines wait here.
ring lg_answers
    format raw
    maxlen 2048
    size 16777216
    timeout connect 1s
    timeout server 10s
    server gateway unix@${answersSocket(directory)}

peers lastgood
    peer lastgood unix@${directory}/peers.sock
`;
}

function serviceText(directory: string, service: HaproxyService, index: number): string {
  const lanes = Array.from({ length: LANES }, (_, lane) => laneText(service, index, lane + 1));
  return [
    entranceText(directory, service),
    ...(service.repeatable ? [hopText(directory, service)] : []),
    ...(hasSessions(service) ? [sessionsText(service)] : []),
    ...lanes,
  ].join('\n');
}

function sessionsText({ name, sessionMaxMs }: HaproxyService): string {
  return `backend ${sessionTable(name)} from lastgood
    # Version (by its number) and birth of each session; gpt keeps 32 bits, so births are in hundredths of a second.
    # The key is the SHA-256 of the session's id.
    stick-table type string len 65 size ${sessionsMax} expire ${sessionMaxMs}ms store gpt(2) peers lastgood
`;
}

function laneText(service: HaproxyService, index: number, lane: number): string {
  const { name, requestMaxMs } = service;
  return `backend ${laneName(name, lane)} from lastgood
    id ${laneId(index, lane)}
    balance roundrobin
    timeout server ${requestMaxMs}ms
${tunnelText(service)}    # Only what no server can have begun; the rest is repeated at the entrance, where it may be.
    retry-on conn-failure
    default-server check inter 500ms fastinter 100ms downinter 500ms fall 2 rise 1 observe layer4 error-limit 2 on-error mark-down pool-purge-delay 5s${serverOptions(service)}
    server-template a 1-${SLOTS} 127.0.0.1:9 disabled
    server-template b 1-${SLOTS} 127.0.0.1:9 backup disabled
`;
}
