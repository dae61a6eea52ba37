import type { RouteRecord } from '../../../domain/route';
import { address, checkedName, type HaproxyService } from './layout';
import { bindOptions, serverOptions, tunnelText } from './wire';

/**
 * A service without lastgood: an ordinary frontend and backend with the servers of the version that serves, each with the
 * same weight. No map, no socket, no state file: it goes into the site's own configuration in place of lastgood's part.
 */
export function detachedSnippet(directory: string, service: HaproxyService, record: RouteRecord): string {
  const name = checkedName(service.name);
  const backends = record.backends[record.primary] ?? [];
  const lines = [...new Set(backends.map(({ selector }) => selectorText(selector)))].join('');
  const servers = backends.map(
    ({ address: at }, index) => `    server copy${index + 1} ${new URL(at).host} check weight 100\n`,
  );
  return `# Written by \`lastgood detach ${name}\`: ${record.primary}, epoch ${record.epoch}. It needs nothing of lastgood.
frontend ${name}
    mode http
    bind ${address(service)}${bindOptions(directory, service)}
    timeout client ${service.requestMaxMs}ms
    timeout http-request 10s
    default_backend ${name}_copies

backend ${name}_copies
    mode http
    balance roundrobin
    timeout connect 5s
    timeout server ${service.requestMaxMs}ms
    retries 3
    option redispatch 1
    retry-on conn-failure
${tunnelText(service)}${lines}    default-server inter 2s fall 2 rise 1${serverOptions(service)}
${servers.join('')}`;
}

/** How the version is named where several answer at one address; what HAProxy cannot say is said in a comment. */
function selectorText(selector: RouteRecord['backends'][string][number]['selector']): string {
  switch (selector?.by) {
    case undefined:
      return '';
    case 'header':
      return `    http-request set-header ${selector.header} ${selector.value}\n`;
    case 'path':
      return `    http-request replace-path ^${selector.from}(/.*)?$ ${selector.to}\\1\n`;
    case 'model':
      return `    # Clients must name the model ${selector.name}: HAProxy changes no body.\n`;
  }
}
