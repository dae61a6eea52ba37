import { hasSessions, mapFile, sessionsFile, sessionTable, type HaproxyService } from './layout';
import { selectorText, steppingText } from './selector-rules-text';

/**
 * How HAProxy decides, as rules of a frontend: from the entry of the map to the lane, and what the answer then says of it.
 * `x-lastgood-version` is the client's; the variable `lg_about` (epoch|reason|version|instance|digest) is for the answer record.
 */
export function rulesText(directory: string, service: HaproxyService, noRoute: string): string {
  const { name } = service;
  const map = mapFile(directory, name);
  return `
    # The record is one entry, replaced whole: epoch|lane|number of the primary|lane|number of the share|weight of
    # 10000|until|reason|lane|number of the fallback|names of the three. \`until\` is compared with the clock each time.
    http-request set-var(txn.lg_route) str(route),map(${map})
    http-request return ${noRoute} content-type application/json hdr x-lastgood-reason no-route string '{"error":"no-route"}' if !{ var(txn.lg_route) -m found }
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
${hasSessions(service) ? pinText(service, map, sessionsFile(directory, name)) : ''}
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

${steppingText(service)}${selectorText(service, map)}
    # A server of a b slot answered: all of the chosen version are dead. For the primary that is the fallback, and from
    # now on everything goes there.
    acl stepped_in srv_name -m beg b
    acl by_primary var(txn.lg_why) -m str primary
    acl known_fallback str(fallback.),concat(,txn.lg_epoch),map(${map}) -m found
    http-response set-map(${map}) fallback.%[var(txn.lg_epoch)] %[date(0,ms)] if stepped_in by_primary !known_fallback
    http-response set-map(${map}) fallback.%[var(txn.lg_epoch)] %[date(0,ms)] if main_moves !known_fallback
    http-response set-var(txn.lg_number) var(txn.lg_route),field(10,|) if stepped_in by_primary
    http-response set-var(txn.lg_version) var(txn.lg_route),field(13,|) if stepped_in by_primary
    http-response set-var(txn.lg_number) var(txn.lg_main) if stepped_in !by_primary
    http-response set-var(txn.lg_version) var(txn.lg_route),field(11,|) if stepped_in !by_primary
    http-response set-var(txn.lg_why) str(fallback) if stepped_in
    http-response set-header x-lastgood-version %[var(txn.lg_version)]
${hasSessions(service) ? keepText() : ''}
    # Which copy answered: \`copy.EPOCH.NUMBER OF THE VERSION.ADDRESS\` is its instance and digest. Also of what HAProxy itself
    # answers in the place of a server.
    http-after-response set-var-fmt(txn.lg_copy) copy.%[var(txn.lg_epoch)].%[var(txn.lg_number)].%[bc_dst]:%[bc_dst_port]
    http-after-response set-var(txn.lg_who) var(txn.lg_copy),map(${map},|)
    http-after-response set-var-fmt(txn.lg_about) %[var(txn.lg_epoch)]|%[var(txn.lg_why)]|%[var(txn.lg_version)]|%[var(txn.lg_who)]
    use_backend lg_${name}_%[var(txn.lg_lane)]
`;
}

function pinText(service: HaproxyService, map: string, sessions: string): string {
  const { name, sessionMaxMs } = service;
  return `
    # A session stays on the version that it began on while the record lets it and its lifetime lasts.
${idText(service)}    acl tracked sc0_tracked
    http-request track-sc0 var(txn.lg_session) table ${sessionTable(name)} if { var(txn.lg_session) -m found }
    http-request set-var(txn.lg_clock) date(0,ms),div(10),and(4294967295)
    http-request set-var(txn.lg_birth) sc_get_gpt(1,0) if tracked
    http-request set-var(txn.lg_held) sc_get_gpt(0,0) if tracked
    # The table does not know it: it may have begun before this process did, which read then who had to stay where.
    acl held var(txn.lg_held) -m int gt 0
    acl kept var(txn.lg_kept) -m found
    http-request set-var(txn.lg_kept) var(txn.lg_session),map(${sessions}) if tracked !held
    http-request set-var(txn.lg_held) var(txn.lg_kept),field(1,|) if kept
    http-request set-var(txn.lg_birth) var(txn.lg_kept),field(2,|) if kept
    http-request set-var(txn.lg_age) var(txn.lg_clock),sub(txn.lg_birth),and(4294967295) if tracked
    acl young var(txn.lg_age) -m int lt ${Math.ceil(sessionMaxMs / 10)}
    http-request set-var(txn.lg_hold) str(hold.),concat(,txn.lg_epoch),concat(.,txn.lg_held),map(${map}) if tracked held young
    http-request set-var(txn.lg_holds_until) var(txn.lg_hold),field(2,|) if { var(txn.lg_hold) -m found }
    http-request set-var(txn.lg_hold_left) var(txn.lg_holds_until),sub(txn.lg_now) if { var(txn.lg_hold) -m found }
    http-request set-var(txn.lg_pinned) bool(true) if { var(txn.lg_hold_left) -m int gt 0 }
    http-request sc-set-gpt(0,0) var(txn.lg_held) if kept { var(txn.lg_pinned) -m found }
    http-request sc-set-gpt(1,0) var(txn.lg_birth) if kept { var(txn.lg_pinned) -m found }
    http-request set-var(txn.lg_to_main) var(txn.lg_held),sub(txn.lg_main) if { var(txn.lg_pinned) -m found }
    acl elsewhere var(txn.lg_to_main) -m int gt 0
    acl elsewhere var(txn.lg_to_main) -m int lt 0
    http-request set-var(txn.lg_lane) var(txn.lg_hold),field(1,|) if { var(txn.lg_pinned) -m found } elsewhere
    http-request set-var(txn.lg_why) var(txn.lg_hold),field(3,|) if { var(txn.lg_pinned) -m found } elsewhere
    http-request set-var(txn.lg_number) var(txn.lg_held) if { var(txn.lg_pinned) -m found } elsewhere
    http-request set-var(txn.lg_version) var(txn.lg_hold),field(4,|) if { var(txn.lg_pinned) -m found } elsewhere
`;
}

/** The first place that has one; empty, too long or there more than once is none. Kept as its hash alone: a cookie may be a secret. */
function idText({ sessionHeader, sessionCookie = null }: HaproxyService): string {
  const places = [
    ...(sessionHeader === null ? [] : [`req.fhdr(${sessionHeader})`]),
    ...(sessionCookie === null ? [] : [`req.cook(${sessionCookie})`]),
  ];
  return places
    .map((place) => {
      const times = place.replace('(', '_cnt(');
      const sane = `{ ${times} eq 1 } { ${place},length gt 0 } { ${place},length le 64 }`;
      return `    http-request set-var(txn.lg_session) ${place},sha2(256),hex if !{ var(txn.lg_session) -m found } ${sane}\n`;
    })
    .join('');
}

/** A pin that holds is not overwritten by an answer that came from elsewhere. */
function keepText(): string {
  return `    http-response sc-set-gpt(0,0) var(txn.lg_number) if tracked !pinned
    http-response sc-set-gpt(1,0) var(txn.lg_clock) if tracked !pinned
`;
}
