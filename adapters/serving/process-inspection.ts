import { constants } from 'node:os';
import { allPids, bootId, processEnvironment, processFacts, sessionMembers, type ProcessFacts } from '../disk/proc';
import type { InstanceFiles, InstanceRecord } from './instance-record';

export type Finding =
  /** Ours and alive: at least one process of its session carries the nonce. */
  | {
      readonly is: 'alive';
      readonly session: number;
      readonly leader: ProcessFacts | null;
      readonly members: readonly ProcessFacts[];
    }
  /** Intended, but no process has claimed the run. */
  | { readonly is: 'unclaimed' }
  | {
      readonly is: 'ended';
      readonly at: number;
      readonly code: string;
      readonly foreign: { what: string; why: string } | null;
    };

/** Looks at the process behind a record. It is ours only when pid, start time, boot id and nonce agree. */
export async function findProcess(files: InstanceFiles, record: InstanceRecord): Promise<Finding> {
  if (record.bootId !== bootId()) return ended(files, record, 'lost: the host was restarted', null);
  const claim = await files.claim(record);
  if (claim === null) return { is: 'unclaimed' };
  if (claim === 'revoked') return ended(files, record, 'never started', null);
  const pid = Number(claim);
  if (!Number.isInteger(pid) || pid <= 1) return emptyClaim(record);

  const facts = processFacts(pid);
  const started = facts !== null && (record.startTicks === null || record.startTicks === facts.startTicks);
  const leader = started && carriesNonce(pid, record.nonce) ? facts : null;
  const members = sessionMembers(pid).filter((member) => leader !== null || carriesNonce(member.pid, record.nonce));
  if (leader !== null || members.length > 0) return { is: 'alive', session: pid, leader, members };

  const foreign =
    facts === null
      ? null
      : {
          what: `process ${pid}`,
          why: `it has the pid of ${record.instance}, but another start time or no nonce of ours; it is left alone`,
        };
  return ended(files, record, 'killed', foreign);
}

/** An empty claim is a leader that died, or stands at this moment, between making the file and writing into it. */
function emptyClaim(record: InstanceRecord): Finding {
  const ours = allPids().find((pid) => carriesNonce(pid, record.nonce));
  const leader = ours === undefined ? null : processFacts(ours);
  return leader === null
    ? { is: 'unclaimed' }
    : { is: 'alive', session: leader.session, leader: null, members: sessionMembers(leader.session) };
}

function carriesNonce(pid: number, nonce: string): boolean {
  return processEnvironment(pid)?.get('LASTGOOD_NONCE') === nonce;
}

async function ended(
  files: InstanceFiles,
  record: InstanceRecord,
  unknown: string,
  foreign: { what: string; why: string } | null,
): Promise<Finding> {
  const exit = await files.exit(record);
  if (exit !== null) return { is: 'ended', at: exit.at, code: exitName(exit.code), foreign };
  const stopped = await files.stopped(record);
  if (stopped !== null) return { is: 'ended', at: stopped.at, code: `stopped by ${stopped.signal}`, foreign };
  return { is: 'ended', at: record.startedAt, code: unknown, foreign };
}

/** A shell gives 128 + n for a death by signal n. */
function exitName(code: number): string {
  const signal = Object.entries(constants.signals).find(([, number]) => number === code - 128);
  return signal === undefined ? String(code) : signal[0];
}
