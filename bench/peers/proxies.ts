import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort, until } from '../traffic/our-ways';
import type { Target, Way } from '../traffic/way';

/** Null where there is none; `scripts/bench-peers.sh` installs both. */
export function nginxProgram(): string | null {
  const program = ['nginx', '/usr/sbin/nginx'].find((name) => spawnSync(name, ['-v']).status === 0);
  return program ?? null;
}

export function traefikProgram(): string | null {
  const program = resolve('.cache', 'bench-peers', 'traefik', 'bin', 'traefik');
  return existsSync(program) ? program : null;
}

/** One worker, one upstream; a swap is a new file and `nginx -s reload`, as its manual says. A standby is a `backup`. */
export async function nginxWay(program: string): Promise<Way> {
  const directory = mkdtempSync(join(tmpdir(), 'lastgood-bench-nginx-'));
  const port = await freePort();
  const file = join(directory, 'nginx.conf');
  const upstreams = (target: Target | null): string =>
    target === null
      ? 'server 127.0.0.1:9;'
      : `server 127.0.0.1:${target.primary.port} max_fails=1 fail_timeout=1s;` +
        (target.standby === null ? '' : ` server 127.0.0.1:${target.standby.port} backup;`);
  const write = (target: Target | null): void =>
    writeFileSync(
      file,
      `daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${directory}/a; proxy_temp_path ${directory}/b; fastcgi_temp_path ${directory}/c;
  uwsgi_temp_path ${directory}/d; scgi_temp_path ${directory}/e;
  upstream model { ${upstreams(target)} keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    keepalive_timeout 75s; keepalive_requests 1000000;
    location / {
      proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_connect_timeout 250ms; proxy_read_timeout 5m;
      proxy_next_upstream error timeout non_idempotent;
    }
  }
}
`,
    );
  write(null);
  const child = spawn(program, ['-c', file], { stdio: 'ignore' });
  await until('nginx', child, () => listens(port));
  return {
    name: 'nginx',
    pins: false,
    entrance: `http://127.0.0.1:${port}`,
    move: (target) => {
      write(target);
      const { status, stderr } = spawnSync(program, ['-c', file, '-s', 'reload'], { encoding: 'utf8' });
      return status === 0 ? Promise.resolve() : Promise.reject(new Error(`nginx -s reload: ${stderr}`));
    },
    stop: () => {
      child.kill('SIGTERM');
      rmSync(directory, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}

/**
 * Its file provider, watched; the pause between two readings is set from its 2 s to 10 ms. A standby is its failover
 * service, with health checks as HAProxy has them in ours, and its retry middleware.
 */
export async function traefikWay(program: string): Promise<Way> {
  const directory = mkdtempSync(join(tmpdir(), 'lastgood-bench-traefik-'));
  const port = await freePort();
  const file = join(directory, 'dynamic.yml');
  const write = (target: Target | null): void => {
    const service = (url: string): object => ({
      loadBalancer: {
        servers: [{ url }],
        healthCheck: { path: '/ready', interval: '500ms', unhealthyInterval: '100ms', timeout: '250ms' },
      },
    });
    const services =
      target === null
        ? { model: { loadBalancer: { servers: [{ url: 'http://127.0.0.1:9' }] } } }
        : target.standby === null
          ? { model: { loadBalancer: { servers: [{ url: target.primary.address }] } } }
          : {
              model: { failover: { service: 'main', fallback: 'other', healthCheck: {} } },
              main: service(target.primary.address),
              other: service(target.standby.address),
            };
    const routers = { all: { rule: 'PathPrefix(`/`)', service: 'model', middlewares: ['again'] } };
    const middlewares = { again: { retry: { attempts: 4, initialInterval: '50ms' } } };
    // JSON is YAML.
    writeFileSync(`${file}.new`, JSON.stringify({ http: { routers, services, middlewares } }));
    renameSync(`${file}.new`, file);
  };
  write(null);
  const child = spawn(
    program,
    [
      `--entrypoints.web.address=127.0.0.1:${port}`,
      `--providers.file.filename=${file}`,
      '--providers.file.watch=true',
      '--providers.providersThrottleDuration=10ms',
      '--log.level=ERROR',
      '--global.checknewversion=false',
      '--global.sendanonymoususage=false',
    ],
    { stdio: 'ignore', cwd: directory },
  );
  await until('traefik', child, () => listens(port));
  return {
    name: 'traefik',
    pins: false,
    entrance: `http://127.0.0.1:${port}`,
    move: (target) => {
      write(target);
      return Promise.resolve();
    },
    stop: () => {
      child.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}

function listens(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    const end = (is: boolean): void => {
      socket.destroy();
      answer(is);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
