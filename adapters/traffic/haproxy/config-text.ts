import {
  address,
  frontendName,
  laneId,
  laneName,
  LANES,
  mapFile,
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
    maxconn 4096
    server-state-file ${serverStateFile(directory)}
    # The pins of sessions reach the next process through this peer at a reload.
    localpeer lastgood
    # After a reload the old process may finish what it began, and no longer.
    hard-stop-after 30m
    log /dev/log local0

defaults lastgood
    mode http
    log global
    option dontlognull
    # Also bounds the pause before a second try at the same server.
    timeout connect 250ms
    timeout http-keep-alive 60s
    timeout http-request 10s
    timeout queue 10s
    retries 3
    # Every second try may go to another server, not only the last one.
    option redispatch 1
    option splice-auto
    http-reuse safe
    load-server-state-from-file global
    unique-id-format %[uuid()]

peers lastgood
    peer lastgood unix@${directory}/peers.sock
`;
}

function serviceText(directory: string, service: HaproxyService, index: number): string {
  const { name, requestMaxMs, sessionHeader } = service;
  const map = mapFile(directory, name);
  const lanes = Array.from({ length: LANES }, (_, lane) => laneText(service, index, lane + 1));
  return `frontend ${frontendName(name)} from lastgood
    bind ${address(service)}
    # After a reload a client that is silent just now may send one more request over its connection.
    option idle-close-on-response
    timeout client ${requestMaxMs}ms
    # The answer record: which version answered which request, and why that one.
    log-format '{"at":"%[date(0,ms)]","id":"%ID","service":"${name}","version":"%[var(txn.lg_version)]","epoch":"%[var(txn.lg_epoch)]","reason":"%[var(txn.lg_why)]","server":"%b/%s","status":%ST,"ms":%Ta,"tries":"%rc","end":"%ts","probe":"%[var(txn.lg_probe)]"}'

    # What only the router says.
    http-request set-var(txn.lg_probe) req.fhdr(x-lastgood-probe)
    http-request del-header x-lastgood-version
    http-request set-header x-request-id %[unique-id]

    # The record is one entry, replaced whole: epoch|lane|number of the primary|lane|number of the share|weight of
    # 10000|until|reason|lane|number of the fallback|names of the three. \`until\` is compared with the clock each time.
    http-request set-var(txn.lg_route) str(route),map(${map})
    http-request return status 503 content-type application/json hdr x-lastgood-reason no-route string '{"error":"no-route"}' if !{ var(txn.lg_route) -m found }
    http-request set-var(txn.lg_now) date(0,ms)
    http-request set-var(txn.lg_epoch) var(txn.lg_route),field(1,|)
    http-request set-var(txn.lg_main) var(txn.lg_route),field(3,|)

    # The fallback in use holds until another epoch is in force.
    http-request set-var(txn.lg_fallback) str(fallback.),concat(,txn.lg_epoch),map(${map})
    http-request set-var(txn.lg_lane) var(txn.lg_route),field(2,|)
    http-request set-var(txn.lg_number) var(txn.lg_main)
    http-request set-var(txn.lg_version) var(txn.lg_route),field(11,|)
    http-request set-var(txn.lg_why) str(primary)
    http-request set-var(txn.lg_lane) var(txn.lg_route),field(9,|) if { var(txn.lg_fallback) -m found }
    http-request set-var(txn.lg_number) var(txn.lg_route),field(10,|) if { var(txn.lg_fallback) -m found }
    http-request set-var(txn.lg_version) var(txn.lg_route),field(13,|) if { var(txn.lg_fallback) -m found }
    http-request set-var(txn.lg_why) str(fallback) if { var(txn.lg_fallback) -m found }
${sessionHeader === null ? '' : pinText(service, sessionHeader, map)}
    # The share of what no pin holds.
    http-request set-var(txn.lg_weight) var(txn.lg_route),field(6,|)
    http-request set-var(txn.lg_until) var(txn.lg_route),field(7,|)
    http-request set-var(txn.lg_left) var(txn.lg_until),sub(txn.lg_now)
    http-request set-var(txn.lg_draw) rand(10000),sub(txn.lg_weight)
    acl in_share var(txn.lg_left) -m int gt 0
    acl drawn var(txn.lg_draw) -m int lt 0
    acl pinned var(txn.lg_pinned) -m found
    http-request set-var(txn.lg_lane) var(txn.lg_route),field(4,|) if !pinned in_share drawn
    http-request set-var(txn.lg_why) var(txn.lg_route),field(8,|) if !pinned in_share drawn
    http-request set-var(txn.lg_number) var(txn.lg_route),field(5,|) if !pinned in_share drawn
    http-request set-var(txn.lg_version) var(txn.lg_route),field(12,|) if !pinned in_share drawn

    # A server of a b slot answered: all of the chosen version are dead. For the primary that is the fallback, and from
    # now on everything goes there.
    acl stepped_in srv_name -m beg b
    acl by_primary var(txn.lg_why) -m str primary
    http-response set-map(${map}) fallback.%[var(txn.lg_epoch)] %[date(0,ms)] if stepped_in by_primary !{ str(fallback.),concat(,txn.lg_epoch),map(${map}) -m found }
    http-response set-var(txn.lg_number) var(txn.lg_route),field(10,|) if stepped_in by_primary
    http-response set-var(txn.lg_version) var(txn.lg_route),field(13,|) if stepped_in by_primary
    http-response set-var(txn.lg_number) var(txn.lg_main) if stepped_in !by_primary
    http-response set-var(txn.lg_version) var(txn.lg_route),field(11,|) if stepped_in !by_primary
    http-response set-var(txn.lg_why) str(fallback) if stepped_in
    http-response set-header x-lastgood-version %[var(txn.lg_version)]
    http-response set-header x-request-id %[unique-id]
${sessionHeader === null ? '' : keepText()}
    use_backend lg_${name}_%[var(txn.lg_lane)]
${sessionHeader === null ? '' : `\nbackend ${sessionTable(name)} from lastgood\n    # Version (by its number) and birth of each session; gpt keeps 32 bits, so births are in hundredths of a second.\n    stick-table type string len 65 size ${sessionsMax} expire ${service.sessionMaxMs}ms store gpt(2) peers lastgood\n`}
${lanes.join('\n')}`;
}

function pinText({ name, sessionMaxMs }: HaproxyService, header: string, map: string): string {
  return `
    # A session stays on the version that it began on while the record lets it and its lifetime lasts.
    acl has_session req.fhdr_cnt(${header}) eq 1
    acl session_long req.fhdr(${header}),length gt 64
    acl session_empty req.fhdr(${header}),length eq 0
    acl tracked sc0_tracked
    http-request track-sc0 req.fhdr(${header}) table ${sessionTable(name)} if has_session !session_long !session_empty
    http-request set-var(txn.lg_clock) date(0,ms),div(10),and(4294967295)
    http-request set-var(txn.lg_birth) sc_get_gpt(1,0) if tracked
    http-request set-var(txn.lg_age) var(txn.lg_clock),sub(txn.lg_birth),and(4294967295) if tracked
    http-request set-var(txn.lg_held) sc_get_gpt(0,0) if tracked
    acl young var(txn.lg_age) -m int lt ${Math.ceil(sessionMaxMs / 10)}
    acl held var(txn.lg_held) -m int gt 0
    http-request set-var(txn.lg_hold) str(hold.),concat(,txn.lg_epoch),concat(.,txn.lg_held),map(${map}) if tracked held young
    http-request set-var(txn.lg_holds_until) var(txn.lg_hold),field(2,|) if { var(txn.lg_hold) -m found }
    http-request set-var(txn.lg_hold_left) var(txn.lg_holds_until),sub(txn.lg_now) if { var(txn.lg_hold) -m found }
    http-request set-var(txn.lg_pinned) bool(true) if { var(txn.lg_hold_left) -m int gt 0 }
    http-request set-var(txn.lg_to_main) var(txn.lg_held),sub(txn.lg_main) if { var(txn.lg_pinned) -m found }
    acl elsewhere var(txn.lg_to_main) -m int gt 0
    acl elsewhere var(txn.lg_to_main) -m int lt 0
    http-request set-var(txn.lg_lane) var(txn.lg_hold),field(1,|) if { var(txn.lg_pinned) -m found } elsewhere
    http-request set-var(txn.lg_why) var(txn.lg_hold),field(3,|) if { var(txn.lg_pinned) -m found } elsewhere
    http-request set-var(txn.lg_number) var(txn.lg_held) if { var(txn.lg_pinned) -m found } elsewhere
    http-request set-var(txn.lg_version) var(txn.lg_hold),field(4,|) if { var(txn.lg_pinned) -m found } elsewhere
`;
}

/** A pin that holds is not overwritten by an answer that came from elsewhere. */
function keepText(): string {
  return `    http-response sc-set-gpt(0,0) var(txn.lg_number) if tracked !pinned
    http-response sc-set-gpt(1,0) var(txn.lg_clock) if tracked !pinned
`;
}

function laneText(service: HaproxyService, index: number, lane: number): string {
  const { name, requestMaxMs, repeatable } = service;
  const retryOn = repeatable ? 'conn-failure empty-response' : 'conn-failure';
  return `backend ${laneName(name, lane)} from lastgood
    id ${laneId(index, lane)}
    balance roundrobin
    timeout server ${requestMaxMs}ms
    retry-on ${retryOn}
    default-server check inter 500ms fastinter 100ms downinter 500ms fall 2 rise 1 observe layer4 error-limit 2 on-error mark-down pool-purge-delay 5s
    server-template a 1-${SLOTS} 127.0.0.1:9 disabled
    server-template b 1-${SLOTS} 127.0.0.1:9 backup disabled
`;
}
