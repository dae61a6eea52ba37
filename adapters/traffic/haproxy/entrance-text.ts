import { address, frontendName, hopName, hopSocket, routeName, type HaproxyService } from './layout';
import { rulesText } from './rules-text';
import { bindOptions, hopOptions, onePieceText, spokenText, tunnelText } from './wire';

/** What the frontend that decides tells the entrance about an answer; no client sees it. */
export const aboutHeader = 'x-lastgood-about';

/** How long the frontend that decides may take beyond the longest silence of a server: its own tries at dead ones. */
const ownMs = 5_000;

/**
 * Where clients come in. A repeatable service passes through HAProxy twice, because HAProxy 2.6 repeats no request whose
 * server reset the connection (as a killed process does with a request that it had not read): the frontend behind answers
 * 502 or closes, and both are repeated here.
 */
export function entranceText(directory: string, service: HaproxyService): string {
  const { name, requestMaxMs, repeatable } = service;
  return `frontend ${frontendName(name)} from lastgood
    bind ${address(service)}${bindOptions(directory, service)}
${onePieceText(service)}    # After a reload a client that is silent just now may send one more request over its connection.
    option idle-close-on-response
    timeout client ${requestMaxMs}ms
    # The answer record: which version answered which request, and why that one. \`n\` counts the lines of one worker, so
    # that one that is lost is missed.
    no log
    log ring@lg_answers len 2048 format raw local0
    log-format '{"n":%lc,"pid":%pid,"at":%[date(0,ms)],"service":"${name}","id":"%[var(txn.lg_id)]","about":"%[var(txn.lg_about)]","status":%ST,"ms":%Ta,"tries":"%rc","end":"%ts"}'

    # The client's own id where it is one and sane, as everywhere in lastgood.
    acl own_id req.fhdr(x-request-id) -m reg ^[A-Za-z0-9._:-]{1,128}$
    acl one_id req.fhdr_cnt(x-request-id) eq 1
    http-request set-var(txn.lg_id) unique-id
    http-request set-var(txn.lg_id) req.fhdr(x-request-id) if one_id own_id
    http-request set-header x-request-id %[var(txn.lg_id)]
    http-after-response set-header x-request-id %[var(txn.lg_id)]
${spokenText(service)}    # What only the router says.
    http-request del-header x-lastgood-version
${repeatable ? throughHopText(name) : rulesText(directory, service, 'status 503')}`;
}

function throughHopText(name: string): string {
  return `
    # What the frontend behind says of its answer. A 502 or 503 of a server comes as another status, so that it is not repeated.
    http-response set-status 502 if { res.hdr(x-lastgood-status) -m str 502 }
    http-response set-status 503 if { res.hdr(x-lastgood-status) -m str 503 }
    http-response del-header x-lastgood-status
    http-response set-var(txn.lg_about) res.hdr(${aboutHeader})
    http-response del-header ${aboutHeader}
    default_backend ${hopName(name)}
`;
}

/** The way from the entrance to the frontend that decides, and that frontend. */
export function hopText(directory: string, service: HaproxyService): string {
  const { name, requestMaxMs } = service;
  const socket = hopSocket(directory, name);
  return `backend ${hopName(name)} from lastgood
    timeout server ${requestMaxMs + ownMs}ms
${tunnelText(service)}    # Each try asks for the route anew. Some may meet idle connections to a dead server whose end HAProxy has not seen yet.
    retries 4
    # 503: all servers of a lane were found dead; the next try finds what steps in.
    retry-on conn-failure empty-response 502 503
    server route unix@${socket} pool-purge-delay 5s${hopOptions(service)}

frontend ${routeName(name)} from lastgood
    bind unix@${socket} mode 600${hopOptions(service)}
    no log
    option idle-close-on-response
    timeout client ${requestMaxMs + ownMs}ms
${rulesText(directory, service, 'status 599 hdr x-lastgood-status 503')}
    http-response del-header x-lastgood-status
    http-response set-header x-lastgood-status %[status] if { status 502 503 }
    http-response set-status 599 if { status 502 503 }
    http-after-response set-header ${aboutHeader} %[var(txn.lg_about)]
`;
}
