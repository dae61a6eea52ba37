import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { RegistryUnreachable, RegistryVersionRefused } from '../registry/errors';
import type { MlflowHttp } from './http';
import { whyFailed } from './http';

const ATTEMPTS = 4;
const PAUSE_MS = 250;

export interface Download {
  /** For people: which file. */
  readonly what: string;
  readonly path: string;
  readonly target: string;
  /** As the listing says; null where it does not. */
  readonly bytes: number | null;
  readonly limitBytes: number;
  readonly signal: AbortSignal;
}

/**
 * One file into `target`. A connection that breaks is resumed where it broke, as long as the file is the same one by its
 * ETag (else from its beginning). Rejects with {@link RegistryVersionRefused} where it has another size than was listed.
 */
export async function download(http: MlflowHttp, wanted: Download): Promise<void> {
  const file = await open(wanted.target, 'wx', 0o600);
  try {
    const state = { written: 0, etag: null as string | null };
    for (let attempt = 1; ; attempt++) {
      try {
        await piece(http, wanted, file, state);
        break;
      } catch (fault) {
        if (!(fault instanceof RegistryUnreachable) || attempt === ATTEMPTS || wanted.signal.aborted) throw fault;
        await pause(PAUSE_MS * attempt, undefined, { signal: wanted.signal });
      }
    }
    if (wanted.bytes !== null && state.written !== wanted.bytes)
      throw changed(wanted, `${wanted.bytes} bytes were listed, ${state.written} came`);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function piece(
  http: MlflowHttp,
  wanted: Download,
  file: FileHandle,
  state: { written: number; etag: string | null },
): Promise<void> {
  const { what, limitBytes, signal } = wanted;
  const resumes = state.written > 0 && state.etag !== null;
  const headers = resumes ? { range: `bytes=${state.written}-`, 'if-range': state.etag ?? '' } : {};
  const answer = await http.open(wanted.path, headers as Record<string, string>, signal);
  const isRest = answer.statusCode === 206;
  if (isRest && startOf(answer) !== state.written) {
    answer.body.destroy();
    throw new RegistryUnreachable(`${what}: asked for byte ${state.written} on, got another part`);
  }
  if (!isRest) {
    await file.truncate(0);
    state.written = 0;
  }
  const etag = answer.headers['etag'];
  state.etag = typeof etag === 'string' && !etag.startsWith('W/') ? etag : null;
  const announced = Number(answer.headers['content-length'] ?? NaN);
  const end = Number.isFinite(announced) ? state.written + announced : null;
  try {
    for await (const part of answer.body as AsyncIterable<Buffer>) {
      if (state.written + part.length > limitBytes)
        throw changed(wanted, `more than the ${limitBytes} bytes that were listed or are allowed came`);
      await file.write(part, 0, part.length, state.written);
      state.written += part.length;
    }
  } catch (fault) {
    if (fault instanceof RegistryVersionRefused || isDiskFault(fault)) throw fault;
    throw new RegistryUnreachable(`${what}: broke off after ${state.written} bytes: ${whyFailed(fault, signal, 0)}`, {
      cause: fault,
    });
  }
  if (end !== null && state.written < end)
    throw new RegistryUnreachable(`${what}: broke off after ${state.written} of ${end} bytes`);
}

function startOf(answer: Dispatcher.ResponseData): number | null {
  const match = /^bytes (\d+)-/.exec(String(answer.headers['content-range'] ?? ''));
  return match === null ? null : Number(match[1]);
}

function changed({ what }: Download, how: string): RegistryVersionRefused {
  return new RegistryVersionRefused(`${what}: ${how}: it changes while it is fetched, or its listing is wrong`);
}

function isDiskFault(fault: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS'].includes(String((fault as { code?: unknown }).code));
}
