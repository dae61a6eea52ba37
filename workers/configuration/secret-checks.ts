import { hostAndPort } from './alerts-configuration';
import type { Contradiction } from './cross-checks';
import { isLoopback } from './fields';
import type { ConfigurationText, ServiceText } from './schema';

/** Secrets that would cross a network in plain sight: a password or token goes over https, or stays on this machine. */
export function checkSecrets(text: ConfigurationText): Contradiction[] {
  const found: Contradiction[] = [];
  const look = (url: string, secret: string, ...path: (string | number)[]): void => {
    if (isPlain(url))
      found.push({
        path,
        problem: `found ${url} with ${secret}, which would be read on its way, expected https:// (http:// on loopback only)`,
      });
  };
  text.alerts.alertmanagers.forEach(({ url, tokenFile }, index) => {
    if (tokenFile !== undefined) look(url, 'a tokenFile', 'alerts', 'alertmanagers', index, 'url');
  });
  text.alerts.slack.forEach(({ url }, index) => {
    if (url !== undefined) look(url, "a bot's token", 'alerts', 'slack', String(index), 'url');
  });
  text.alerts.pagerDuty.forEach(({ url }, index) => {
    look(url, 'a routing key', 'alerts', 'pagerDuty', String(index), 'url');
  });
  text.alerts.email.forEach(({ server, tls, user }, index) => {
    if (user === undefined || tls !== 'none' || isLoopback(hostAndPort(server).host)) return;
    const problem = `found none with a password for ${server}, which would be read on its way, expected starttls or implicit`;
    found.push({ path: ['alerts', 'email', String(index), 'tls'], problem });
  });
  for (const [name, service] of Object.entries(text.services)) lookAtService(name, service, look);
  return found;
}

function lookAtService(
  name: string,
  { registry, metrics }: ServiceText,
  look: (url: string, secret: string, ...path: (string | number)[]) => void,
): void {
  if (registry?.kind === 'mlflow' && registry.auth !== undefined)
    look(registry.url, 'registry.auth', 'services', name, 'registry', 'url');
  for (const [metric, { source }] of Object.entries(metrics)) {
    if (typeof source !== 'object' || !('alertmanager' in source)) continue;
    const { url, tokenFile } = source.alertmanager;
    const path = ['services', name, 'metrics', metric, 'source', 'alertmanager', 'url'];
    if (tokenFile !== undefined) look(url, 'a tokenFile', ...path);
  }
}

function isPlain(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !isLoopback(hostname.replace(/^\[|\]$/g, ''));
}
