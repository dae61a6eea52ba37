import { mkdir, open, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { hasCode, isMissing } from '../../disk/atomic-file';
import { FaultDidNotHappen, FaultRefused, FaultRemains } from '../errors';
import { proof, type FaultMaker } from './fault-maker';

const undoSchema = z.strictObject({ file: z.string(), atMostBytes: z.number(), keepFreeBytes: z.number() });

/** Whatever an experiment says: less than this is never left free on a disk that holds anything else. */
const FLOOR_BYTES = 256 * 1024 * 1024;
const MOUNT_MAX_BYTES = 4 * 1024 ** 3;
const PIECE = Buffer.alloc(1024 * 1024, 0x5a);

/**
 * Takes the free space of a directory of lastgood by one file. Where the directory is a small file system of its own (a
 * quota, a loop mount, a tmpfs) it is filled until it refuses; else the file is bounded, and a floor stays free.
 */
export function fillDisk(directories: { readonly data: string; readonly artifacts: string }): FaultMaker<'fill-disk'> {
  return {
    async prepare(service, { where, atMostBytes, keepFreeBytes }) {
      const directory = directories[where];
      const own = await isSmallMount(directory);
      const floor = own ? 0 : Math.max(keepFreeBytes, FLOOR_BYTES);
      const free = await freeBytes(directory);
      if (free <= floor)
        throw new FaultRefused(`${directory}: ${free} bytes are free, and ${floor} must stay free: nothing is filled`);
      const file = join(directory, 'chaos', `fill-${process.pid}-${Date.now()}`);
      const undo = { file, atMostBytes: own ? MOUNT_MAX_BYTES : atMostBytes, keepFreeBytes: floor };
      const limit = own ? 'until it is full' : `at most ${atMostBytes} bytes, ${floor} stay free`;
      return { kind: 'fill-disk', service, target: `${directory} (${limit})`, undo };
    },
    async inject({ undo }) {
      const { file, atMostBytes, keepFreeBytes } = undoSchema.parse(undo);
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      const before = await freeBytes(dirname(file));
      const full = await write(file, atMostBytes, keepFreeBytes);
      const { blocks } = await stat(file);
      const after = await freeBytes(dirname(file));
      // What is allocated counts: a sparse file would take nothing.
      if (blocks * 512 < PIECE.length && !full)
        throw new FaultDidNotHappen(`${file}: ${blocks * 512} bytes were allocated`);
      return proof(`${blocks * 512} bytes are taken${full ? ', and the disk refuses more' : ''}; ${after} are free`, {
        bytes: blocks * 512,
        freeBefore: before,
        freeAfter: after,
        full,
      });
    },
    async remove({ undo }) {
      const { file } = undoSchema.parse(undo);
      await rm(file, { force: true });
      const left = await stat(file).catch((fault: unknown) => {
        if (isMissing(fault)) return null;
        throw fault;
      });
      if (left !== null) throw new FaultRemains(`${file} is still there`);
      const parent = dirname(dirname(file));
      return proof(`the file is gone; ${await freeBytes(parent)} bytes are free`);
    },
  };
}

/** True where the disk refused more. */
async function write(file: string, atMostBytes: number, keepFreeBytes: number): Promise<boolean> {
  const handle = await open(file, 'wx', 0o600);
  try {
    for (let written = 0; written < atMostBytes; written += PIECE.length) {
      if (keepFreeBytes > 0 && (await freeBytes(dirname(file))) - PIECE.length < keepFreeBytes) return false;
      await handle.write(PIECE, 0, Math.min(PIECE.length, atMostBytes - written));
      // Without it the space is taken some time later.
      await handle.datasync();
    }
    return false;
  } catch (fault) {
    if (hasCode(fault, 'ENOSPC') || hasCode(fault, 'EDQUOT')) return true;
    throw fault;
  } finally {
    await handle.close();
  }
}

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** A file system of its own, small enough that filling it hurts nobody else. */
async function isSmallMount(directory: string): Promise<boolean> {
  const [here, above, { blocks, bsize }] = await Promise.all([
    stat(directory),
    stat(dirname(directory)),
    statfs(directory),
  ]);
  return here.dev !== above.dev && blocks * bsize <= MOUNT_MAX_BYTES;
}
