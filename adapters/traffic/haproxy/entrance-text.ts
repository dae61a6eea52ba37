import { address, frontendName, hopName, hopSocket, routeName, type HaproxyService } from './layout';
import { rulesText } from './rules-text';

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
    bind ${address(service)}
    # After a reload a client that is silent just now may send one more request over its connection.
    option idle-close-on-response
    timeout client ${requestMaxMs}ms
    # The answer record: which version answered which request, and why that one.
    log-format '{"at":"%[date(0,ms)]","id":"%ID","service":"${name}","about":"%[var(txn.lg_about)]","status":%ST,"ms":%Ta,"tries":"%rc","end":"%ts","probe":"%[var(txn.lg_probe)]"}'

    # What only the router says.
    http-request set-var(txn.lg_probe) req.fhdr(x-lastgood-probe)
    http-request del-header x-lastgood-version
    http-request set-header x-request-id %[unique-id]
${repeatable ? throughHopText(name) : rulesText(directory, service)}`;
}

function throughHopText(name: string): string {
  return `
    # What the frontend behind says of its answer. A 502 of a server comes as another status, so that it is not repeated.
    acl of_server res.hdr(x-lastgood-status) -m found
    http-response set-status 502 if of_server
    http-response del-header x-lastgood-status
    http-response set-var(txn.lg_about) res.hdr(${aboutHeader})
    http-response del-header ${aboutHeader}
    http-response set-header x-request-id %[unique-id]
    default_backend ${hopName(name)}
`;
}

/** The way from the entrance to the frontend that decides, and that frontend. */
export function hopText(directory: string, service: HaproxyService): string {
  const { name, requestMaxMs } = service;
  const socket = hopSocket(directory, name);
  return `backend ${hopName(name)} from lastgood
    timeout server ${requestMaxMs + ownMs}ms
    # Each try asks for the route anew. Some may meet idle connections to a dead server whose end HAProxy has not seen yet.
    retries 4
    retry-on conn-failure empty-response 502
    server route unix@${socket} pool-purge-delay 5s

frontend ${routeName(name)} from lastgood
    bind unix@${socket} mode 600
    no log
    option idle-close-on-response
    timeout client ${requestMaxMs + ownMs}ms
${rulesText(directory, service)}
    http-response del-header x-lastgood-status
    http-response set-header x-lastgood-status 502 if { status 502 }
    http-response set-status 599 if { status 502 }
    http-after-response set-header ${aboutHeader} %[var(txn.lg_about)]
`;
}
