import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where the processes of one data directory find each other. */
export interface RunPaths {
  readonly runDir: string;
  readonly logDir: string;
  readonly lockFile: string;
  readonly gatewayConfig: string;
  readonly gatewayReport: string;
  readonly gatewayControl: { readonly socket: string };
  readonly apiSocket: string;
  readonly controllerReport: string;
  readonly hostReport: string;
  readonly temporalRecord: string;
  readonly temporalDatabase: string;
  readonly alertJournal: string;
  /** What a process has shown where. */
  alertMemory(process: string): string;
  /** The last entry that a webhook was told. */
  webhookCursor(service: string, webhook: string): string;
  /** Made on demand, mode 0700: it holds the sockets. */
  readonly socketDir: string;
  childRecord(name: string): string;
  log(name: string): string;
}

// The kernel's limit for the path of a Unix socket is 108 bytes on Linux and 104 on macOS, with the ending zero.
const socketPathLimit = 103;

export function runPaths(dataDir: string): RunPaths {
  const runDir = join(dataDir, 'run');
  const logDir = join(dataDir, 'logs');
  const socketDir = socketDirectory(dataDir, runDir);
  return {
    runDir,
    logDir,
    socketDir,
    lockFile: join(runDir, 'up.lock'),
    gatewayConfig: join(runDir, 'gateway.json'),
    gatewayReport: join(runDir, 'gateway-report.json'),
    gatewayControl: { socket: join(socketDir, 'gateway.sock') },
    apiSocket: join(socketDir, 'api.sock'),
    controllerReport: join(runDir, 'controller-report.json'),
    hostReport: join(runDir, 'host-report.json'),
    temporalRecord: join(runDir, 'temporal.json'),
    temporalDatabase: join(dataDir, 'temporal', 'temporal.db'),
    alertJournal: join(dataDir, 'alerts', 'alerts.jsonl'),
    alertMemory: (process) => join(dataDir, 'alerts', `shown-${process}.jsonl`),
    webhookCursor: (service, webhook) => join(dataDir, 'webhooks', `${service}.${webhook}.cursor`),
    childRecord: (name) => join(runDir, `child-${name}.json`),
    log: (name) => join(logDir, `${name}.log`),
  };
}

/** Those of a further controller of the same data directory: everything that only one process may have is its own. */
export function pathsOfController(paths: RunPaths, name: string | null): RunPaths {
  if (name === null) return paths;
  return {
    ...paths,
    apiSocket: join(paths.socketDir, `api-${name}.sock`),
    controllerReport: join(paths.runDir, `controller-${name}-report.json`),
    alertMemory: (process) => paths.alertMemory(`${process}-${name}`),
    log: (role) => paths.log(`${role}-${name}`),
  };
}

/** Beside everything else, unless the path is too long for a socket: then a directory of its own for this data directory. */
function socketDirectory(dataDir: string, runDir: string): string {
  if (Buffer.byteLength(join(runDir, 'gateway.sock')) <= socketPathLimit) return runDir;
  return join(tmpdir(), `lastgood-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`);
}
