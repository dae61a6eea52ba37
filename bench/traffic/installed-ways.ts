import { spawnSync } from 'node:child_process';
import { nginxProgram, nginxWay, traefikProgram, traefikWay } from '../peers/proxies';
import { gatewayWay, haproxyWay } from './our-ways';
import { WAYS, type Way, type WayName } from './way';

/** How each is started; a text says why it cannot be had. */
export function installedWays(): Record<WayName, (() => Promise<Way>) | string> {
  const nginx = nginxProgram();
  const traefik = traefikProgram();
  const haproxy = spawnSync('haproxy', ['-v']).status === 0;
  return {
    gateway: gatewayWay,
    haproxy: haproxy ? haproxyWay : 'no haproxy on PATH (scripts/test-deps/haproxy.sh installs it)',
    nginx: nginx === null ? 'no nginx on PATH (scripts/bench-peers.sh installs it)' : () => nginxWay(nginx),
    traefik: traefik === null ? 'no traefik (scripts/bench-peers.sh installs it)' : () => traefikWay(traefik),
  };
}

export function isOurs(name: WayName): boolean {
  return name === 'gateway' || name === 'haproxy';
}

export { WAYS };
