import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { InstanceState, ServingRuntime, StartRequest } from '../../activities/ports';
import { withFileLock } from '../disk/file-lock';
import { bootId } from '../disk/proc';
import { InstanceFailed, ServingRefused } from './errors';
import { limitLog, logTail } from './instance-log';
import { InstanceFiles, type InstanceRecord } from './instance-record';
import { memoryLimit, memoryOf } from './memory-limit';
import { findProcess, type Finding } from './process-inspection';
import { checkTemplate, fill, freePort, launch, listens, uses, type ProcessTemplate } from './process-launch';
import { endSession, type AskedToEnd } from './process-stop';

export interface ProcessRuntimeOptions {
  readonly directory: string;
  readonly template: ProcessTemplate;
  /** Address of this host at which its copies listen and are reached; default 127.0.0.1. */
  readonly host?: string;
  /** Environment of every copy besides the template's; nothing is inherited. Default: a plain PATH. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What the copy at an address says it has loaded; a failure counts as "says nothing". */
  readonly identify?: (address: string) => Promise<string | null>;
  /** From start to address; default 60 s. */
  readonly startTimeoutMs?: number;
  readonly logLimitBytes?: number;
  /** Who hears SIGTERM at a stop; default: the whole group. */
  readonly askedToEnd?: AskedToEnd;
  /** Bytes that a copy may hold; default: the limit of its cgroup, else what the host has. */
  readonly memoryLimitBytes?: number | null;
  /** Ended copies whose record and log are kept as evidence, by service; default 20. */
  readonly keepEnded?: number;
  readonly now?: () => number;
}

const POLL_MS = 25;
const CLAIM_WAIT_MS = 5_000;
const LOCK_WAIT_MS = 120_000;
const TAIL_BYTES = 4_096;

/**
 * Serving runtime on child processes of this host. They outlive the process that started them and are found again by
 * their records, by whoever opens the same directory. Needs Linux: rejects with {@link ServingRefused} where there is no /proc.
 */
export async function openProcessRuntime(options: ProcessRuntimeOptions): Promise<ServingRuntime> {
  const boot = bootId();
  if (boot === null)
    throw new ServingRefused('the process runtime needs Linux: it tells its own processes from others by /proc');
  checkTemplate(options.template);
  const root = resolve(options.directory);
  await mkdir(root, { recursive: true, mode: 0o700 });
  const { template, host = '127.0.0.1' } = options;
  const at = (port: number): string => `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const files = new InstanceFiles(root);
  const now = options.now ?? Date.now;
  const logLimitBytes = options.logLimitBytes ?? 16 * 1024 * 1024;
  const keepEnded = options.keepEnded ?? 20;
  const logOf = (record: InstanceRecord): string => join(files.run(record), 'log');

  async function stateOf(record: InstanceRecord, finding: Finding): Promise<InstanceState> {
    const base = { instance: record.instance, version: record.version, startedAt: record.startedAt };
    await limitLog(logOf(record), logLimitBytes);
    if (finding.is === 'ended') {
      const exit = { at: finding.at, code: finding.code, logTail: await logTail(logOf(record), TAIL_BYTES) };
      return { ...base, state: 'exited', address: null, digest: null, exit, memoryBytes: null };
    }
    const address = finding.is === 'alive' ? await addressOf(record) : null;
    const members = finding.is === 'alive' ? finding.members : [];
    const memoryBytes = memoryOf(members);
    const [first] = members;
    const limit = first ? memoryLimit(first.pid, memoryBytes, options.memoryLimitBytes ?? null) : null;
    return {
      ...base,
      state: address === null ? 'starting' : 'running',
      address,
      digest: address === null ? null : ((await options.identify?.(address).catch(() => null)) ?? null),
      exit: null,
      memoryBytes,
      ...(limit && { memoryLimit: limit }),
    };
  }

  async function addressOf(record: InstanceRecord): Promise<string | null> {
    const reported = await files.reportedPort(record);
    if (reported !== null) return at(reported);
    // A port that we gave is an address once somebody listens there.
    if (record.givenPort === null || !(await listens(record.givenPort, host))) return null;
    return at(record.givenPort);
  }

  /** The run of this instance that is alive; starts one when there is none. Under the instance's lock. */
  async function ensureRun(request: StartRequest): Promise<InstanceRecord> {
    const known = await files.read(request.instance);
    if (known !== null) {
      const finding = await settledFinding(known);
      if (finding.is === 'alive') {
        if (known.digest !== request.digest) {
          throw new ServingRefused(`${request.instance} runs with ${known.digest}, not with ${request.digest}`);
        }
        return complete(known, finding);
      }
    }
    return startRun(request);
  }

  /**
   * A record without a claim is a start whose author died between record and process, or is still between them. Taking
   * the claim ourselves settles it: from then on that launch can never happen.
   */
  async function settledFinding(record: InstanceRecord): Promise<Finding> {
    let finding = await findProcess(files, record);
    const deadline = performance.now() + CLAIM_WAIT_MS;
    while (finding.is === 'unclaimed' && performance.now() < deadline) {
      if (!(await files.revoke(record))) await pause(POLL_MS);
      finding = await findProcess(files, record);
    }
    return finding;
  }

  async function startRun(request: StartRequest): Promise<InstanceRecord> {
    if (uses(template, 'artifact') && request.artifact === null)
      throw new ServingRefused(`${request.instance}: no artifact to serve`);
    const { port } = request;
    if (port !== undefined) await checkPort(request.instance, port);
    const givenPort = uses(template, 'port') && !uses(template, 'report') ? (port ?? (await freePort(host))) : null;
    const intended: InstanceRecord = {
      schema: 1,
      service: request.service,
      version: request.version,
      instance: request.instance,
      digest: request.digest,
      nonce: randomBytes(16).toString('hex'),
      bootId: boot ?? '',
      startedAt: now(),
      pid: null,
      startTicks: null,
      givenPort,
    };
    await files.write(intended);
    const runFolder = files.run(intended);
    const command = fill(template, {
      artifact: request.artifact ?? '',
      host,
      port: String(port ?? givenPort ?? 0),
      report: join(runFolder, 'report.json'),
      instance: request.instance,
      digest: request.digest,
    });
    const environment = { PATH: '/usr/local/bin:/usr/bin:/bin', ...options.environment, ...template.env };
    await launch(command, { runFolder, nonce: intended.nonce, environment, cwd: template.cwd });
    const deadline = performance.now() + CLAIM_WAIT_MS;
    for (;;) {
      const finding = await findProcess(files, intended);
      if (finding.is === 'alive') return complete(intended, finding);
      if (finding.is === 'ended') return intended;
      if (performance.now() > deadline)
        throw new InstanceFailed(`${request.instance} did not come up within ${CLAIM_WAIT_MS} ms`, '');
      await pause(5);
    }
  }

  /** Before anything is started: whoever listens there would be taken for the copy. */
  async function checkPort(instance: string, port: number): Promise<void> {
    if (!uses(template, 'port'))
      throw new ServingRefused(`${instance}: the command has no {port}, so port ${port} cannot be given to it`);
    if (await listens(port, host)) throw new ServingRefused(`${instance}: somebody else listens at port ${port}`);
  }

  async function complete(record: InstanceRecord, finding: Extract<Finding, { is: 'alive' }>): Promise<InstanceRecord> {
    if (record.pid !== null || finding.leader === null) return record;
    const completed = { ...record, pid: finding.leader.pid, startTicks: finding.leader.startTicks };
    await files.write(completed);
    return completed;
  }

  async function untilAddress(record: InstanceRecord, signal: AbortSignal): Promise<InstanceState> {
    const timeoutMs = options.startTimeoutMs ?? 60_000;
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const finding = await findProcess(files, record);
      const state = await stateOf(record, finding);
      if (state.state === 'running') return state;
      const tail = await logTail(logOf(record), TAIL_BYTES);
      if (state.exit !== null)
        throw new InstanceFailed(`${record.instance} ended (${state.exit.code}) before it had an address`, tail);
      if (performance.now() > deadline) {
        // A copy that nobody gets an address of would only hold memory.
        await end(record, 0);
        throw new InstanceFailed(`${record.instance} reported no address within ${timeoutMs} ms and was stopped`, tail);
      }
      signal.throwIfAborted();
      await files.untilReported(record, POLL_MS);
    }
  }

  async function end(record: InstanceRecord, graceMs: number): Promise<string | null> {
    const finding = await findProcess(files, record);
    if (finding.is !== 'alive') return null;
    const how = await endSession(finding.session, graceMs, options.askedToEnd ?? 'group', (signal) =>
      files.markStopped(record, now(), signal),
    );
    if (how !== null) return how;
    throw new InstanceFailed(`${record.instance} survived SIGKILL`, await logTail(logOf(record), TAIL_BYTES));
  }

  async function dropOldEvidence(service: string): Promise<void> {
    const ended: InstanceRecord[] = [];
    for (const record of (await files.all()).records.filter((known) => known.service === service)) {
      if ((await findProcess(files, record)).is === 'ended') ended.push(record);
    }
    for (const { instance, nonce } of ended.slice(0, Math.max(0, ended.length - keepEnded))) {
      await withFileLock(files.lock(instance), LOCK_WAIT_MS, async () => {
        // Under the lock: it may have been started again since we looked.
        if ((await files.read(instance))?.nonce === nonce) await files.remove(instance);
      });
    }
  }

  return {
    kind: 'process',
    async start(request, signal) {
      signal.throwIfAborted();
      const record = await withFileLock(files.lock(request.instance), LOCK_WAIT_MS, () => ensureRun(request));
      // Beside the copy's own start, which takes longer.
      const [state] = await Promise.all([untilAddress(record, signal), dropOldEvidence(request.service)]);
      return state;
    },
    async inspect(service) {
      const { records, unreadable } = await files.all();
      const foreign = [...unreadable];
      const instances: InstanceState[] = [];
      for (const record of records.filter((known) => known.service === service)) {
        const finding = await findProcess(files, record);
        if (finding.is === 'ended' && finding.foreign !== null) foreign.push(finding.foreign);
        instances.push(await stateOf(record, finding));
      }
      return { instances, foreign };
    },
    async stop(instance, { graceMs }) {
      return withFileLock(files.lock(instance), LOCK_WAIT_MS, async () => {
        const record = await files
          .read(instance)
          .catch((fault: unknown) => (fault instanceof Error ? fault : new Error(String(fault))));
        if (record instanceof Error) return { outcome: 'refused' as const, why: record.message };
        if (record === null) return { outcome: 'absent' as const, why: 'nothing was started under this name' };
        const finding = await settledFinding(record);
        if (finding.is === 'ended' && finding.foreign !== null)
          return { outcome: 'absent' as const, why: `${finding.foreign.what}: ${finding.foreign.why}` };
        const how = await end(record, graceMs);
        return how === null
          ? { outcome: 'absent' as const, why: 'it had ended before' }
          : { outcome: 'stopped' as const, why: how };
      });
    },
    async release(instance) {
      return withFileLock(files.lock(instance), LOCK_WAIT_MS, async () =>
        (await files.release(instance))
          ? { outcome: 'released' as const, why: '' }
          : { outcome: 'absent' as const, why: 'nothing was started under this name' },
      );
    },
    async logs(instance, limitBytes) {
      const record = await files.read(instance);
      return record === null ? '' : logTail(logOf(record), limitBytes);
    },
  };
}
