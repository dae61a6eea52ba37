import { laneName, LANES, type HaproxyService } from './layout';
import { DEPTHS } from './selectors';

/** Asked by load balancers with GET or HEAD: they say nothing of a version and change nothing. */
const healthPaths = '/health /ping /version /v2 /v2/health/live /v2/health/ready';

/** What servers read differently: dot segments, empty ones, encoded slashes, anything that is decoded twice. */
const ambiguous = "'(^|/)[.]{1,2}(/|$)|//|\\\\|;|%(?![0-9A-Fa-f]{2})|%(2[5EeFf]|5[Cc]|3[Bb]|[01][0-9A-Fa-f]|7[Ff])'";

/**
 * Versions that do not share a name step in for each other by another lane, not by its `b` slots: a request is written for
 * one of them. This is seen when no server of the lane is up.
 */
export function steppingText({ name }: HaproxyService): string {
  const dead = Array.from({ length: LANES }, (_, index) => index + 1).map(
    (lane) =>
      `    http-request set-var(txn.lg_dead) bool(true) if { var(txn.lg_lane) -m str ${lane} } { nbsrv(${laneName(name, lane)}) eq 0 }`,
  );
  return `
    # No server of the lane is up, and none stands by in it: the primary's fallback has a lane of its own, and for every
    # other version the primary steps in.
${dead.join('\n')}
    acl dead var(txn.lg_dead) -m found
    acl to_primary var(txn.lg_why) -m str primary
    acl has_fallback var(txn.lg_route),field(9,|) -m int gt 0
    http-request set-var(txn.lg_moved) str(main) if dead to_primary has_fallback
    http-request set-var(txn.lg_moved) str(other) if dead !to_primary
    acl main_moves var(txn.lg_moved) -m str main
    acl other_moves var(txn.lg_moved) -m str other
    http-request set-var(txn.lg_lane) var(txn.lg_route),field(9,|) if main_moves
    http-request set-var(txn.lg_number) var(txn.lg_route),field(10,|) if main_moves
    http-request set-var(txn.lg_version) var(txn.lg_route),field(13,|) if main_moves
    http-request set-var(txn.lg_lane) var(txn.lg_route),field(2,|) if other_moves
    http-request set-var(txn.lg_number) var(txn.lg_main) if other_moves
    http-request set-var(txn.lg_version) var(txn.lg_route),field(11,|) if other_moves
    http-request set-var(txn.lg_why) str(fallback) if main_moves
    http-request set-var(txn.lg_why) str(fallback) if other_moves
`;
}

/** The name of the version, written over whatever the client sent. */
export function selectorText({ selectorHeader = null }: HaproxyService, map: string): string {
  const cuts = Array.from({ length: DEPTHS }, (_, index) => index + 1).map(
    (
      depth,
    ) => `    http-request set-var(txn.lg_head) path,field(1,/,${depth + 1}) if by_path { var(txn.lg_depth) -m int ${depth} }
    http-request set-var(txn.lg_rest) path,field(${depth + 2},/,0) if by_path { var(txn.lg_depth) -m int ${depth} }`,
  );
  return `
    # How the version is named at its address; see \`selectors.ts\`.
    http-request set-var-fmt(txn.lg_key) name.%[var(txn.lg_epoch)].%[var(txn.lg_number)]
    http-request set-var(txn.lg_name) var(txn.lg_key),map(${map})
    acl by_path var(txn.lg_name) -m beg path|
    acl asks_health path ${healthPaths}
    http-request set-var(txn.lg_depth) var(txn.lg_name),field(2,|) if by_path
    http-request set-var(txn.lg_from) var(txn.lg_name),field(3,|) if by_path
    http-request set-var(txn.lg_to) var(txn.lg_name),field(4,|) if by_path
    http-request set-var(txn.lg_way) var(txn.lg_name),field(5,|) if by_path
${cuts.join('\n')}
    acl below_from var(txn.lg_head),strcmp(txn.lg_from) eq 0
    acl names_version var(txn.lg_rest),field(1,/),url_dec,lower,strcmp(txn.lg_way) eq 0
    acl refused var(txn.lg_refusal) -m found
    http-request set-var(txn.lg_health) bool(true) if by_path asks_health METH_GET
    acl for_health var(txn.lg_health) -m found
    http-request set-var(txn.lg_refusal) str(not-offered) if by_path !for_health !below_from
    http-request set-var(txn.lg_refusal) str(ambiguous-path) if by_path !for_health { path -m reg ${ambiguous} }
    http-request set-var(txn.lg_refusal) str(version-named) if by_path !for_health !refused names_version
    http-request unset-var(txn.lg_version) if refused
    http-request return status 400 content-type application/json hdr x-lastgood-reason ambiguous-path string '{"error":"ambiguous-path"}' if { var(txn.lg_refusal) -m str ambiguous-path }
    http-request return status 404 content-type application/json hdr x-lastgood-reason %[var(txn.lg_refusal)] lf-string '{"error":"%[var(txn.lg_refusal)]"}' if refused
    acl has_rest var(txn.lg_rest),length gt 0
    http-request set-path %[var(txn.lg_to)]/%[var(txn.lg_rest)] if by_path !for_health has_rest
    http-request set-path %[var(txn.lg_to)] if by_path !for_health !has_rest
${selectorHeader === null ? '' : headerText(selectorHeader)}`;
}

/** Servers that take \`_\` for \`-\` in a name would find the client's own beside the route's. */
function headerText(header: string): string {
  const like = header.replaceAll(/[-_]/g, '[-_]');
  return `    http-request del-header '(?i)^${like}$' -m reg
    http-request set-header ${header} %[var(txn.lg_name),field(2,|),url_dec] if { var(txn.lg_name) -m beg header| }
`;
}
