import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip, type Gzip } from 'node:zlib';
import { syncDirectory } from '../../adapters/disk/atomic-file';
import {
  BackupRefused,
  manifestName,
  manifestText,
  readManifestText,
  type BackupFile,
  type BackupManifest,
} from './manifest';
import { padding, readTar, tarEnd, tarHeader, TarBroken, type TarFile } from './tar';

const PIECE_BYTES = 256 * 1024;

/** A backup while it is written: under a temporary name, and under its own only when it is whole and on disk. */
export class ArchiveWriter {
  private readonly files: BackupFile[] = [];
  private readonly written: Promise<void>;

  private constructor(
    readonly file: string,
    private readonly temporary: string,
    handle: FileHandle,
    private readonly gzip: Gzip,
  ) {
    this.written = pipeline(gzip, handle.createWriteStream({ flush: true }));
    // Synced and closed at its end. A full disk is told by the next write, or at the end.
    this.written.catch(() => undefined);
  }

  static async create(file: string): Promise<ArchiveWriter> {
    const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
    const handle = await open(temporary, 'wx', 0o600);
    return new ArchiveWriter(file, temporary, handle, createGzip({ level: 1 }));
  }

  /** `mode` is kept: the contents of the artifact store are read-only. */
  async add(path: string, content: string | Buffer, mode = 0o600): Promise<void> {
    const bytes = Buffer.from(content);
    await this.put({ path, bytes: bytes.length, mode }, [bytes]);
  }

  /** A file of the disk as it is now; one that grows meanwhile is taken up to its length of now. */
  async addFile(path: string, from: string): Promise<void> {
    const source = await open(from, 'r');
    try {
      const { size, mode } = await source.stat();
      await this.put({ path, bytes: size, mode: mode & 0o777 }, piecesOf(source, from, size));
    } finally {
      await source.close();
    }
  }

  async finish(manifest: Omit<BackupManifest, 'files'>): Promise<BackupManifest> {
    const whole = { ...manifest, files: this.files };
    const text = Buffer.from(manifestText(whole));
    await this.write(tarHeader({ path: manifestName, bytes: text.length, mode: 0o600 }));
    await this.write(Buffer.concat([text, padding(text.length), tarEnd()]));
    this.gzip.end();
    await this.written;
    await rename(this.temporary, this.file);
    await syncDirectory(dirname(this.file));
    return whole;
  }

  /** Nothing is left of it. */
  async discard(): Promise<void> {
    this.gzip.destroy();
    await this.written.catch(() => undefined);
    await rm(this.temporary, { force: true });
  }

  private async put(file: TarFile, pieces: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void> {
    const hash = createHash('sha256');
    await this.write(tarHeader(file));
    for await (const piece of pieces) {
      hash.update(piece);
      await this.write(piece);
    }
    await this.write(padding(file.bytes));
    this.files.push({ path: file.path, bytes: file.bytes, sha256: hash.digest('hex') });
  }

  private async write(bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return;
    if (this.gzip.destroyed) await this.written;
    if (!this.gzip.write(bytes)) await Promise.race([once(this.gzip, 'drain'), this.written]);
  }
}

async function* piecesOf(source: FileHandle, from: string, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < size;) {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, size - at));
    const { bytesRead } = await source.read(piece, 0, piece.length, at);
    if (bytesRead === 0) throw new BackupRefused(`${from} became shorter while it was read: make the backup again`);
    at += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}

/** What the archive holds, file by file, to whoever wants it; `manifest.json` comes last. */
export type Taking = (file: TarFile, content: AsyncIterable<Buffer>) => Promise<void>;

/**
 * Reads the archive to its end, compares every byte with the manifest, and gives it. What `take` was given is only worth
 * something when this resolves. Rejects with {@link BackupRefused}, which names the first file that is not as it was made.
 */
export async function readArchive(file: string, release: string, take?: Taking): Promise<BackupManifest> {
  const found = new Map<string, { bytes: number; sha256: string }>();
  let manifest: string | null = null;
  let at = 'its beginning';
  const source = createReadStream(file);
  try {
    await once(source, 'ready');
    const gunzip = source.pipe(createGunzip());
    source.on('error', (error) => gunzip.destroy(error));
    await readTar(gunzip, async (entry, content) => {
      at = entry.path;
      if (found.has(entry.path) || manifest !== null) throw new TarBroken(`${entry.path} is in it twice`);
      const hash = createHash('sha256');
      const parts: Buffer[] = [];
      const isManifest = entry.path === manifestName;
      const seen = seenBy(content, (piece) => {
        hash.update(piece);
        if (isManifest) parts.push(piece);
      });
      if (take && !isManifest) await take(entry, seen);
      for await (const _piece of seen);
      if (isManifest) manifest = Buffer.concat(parts).toString('utf8');
      else found.set(entry.path, { bytes: entry.bytes, sha256: hash.digest('hex') });
    });
  } catch (error) {
    throw refusalOf(file, at, error);
  } finally {
    source.destroy();
  }
  if (manifest === null)
    throw new BackupRefused(`${file}: it has no ${manifestName}: it is no backup of lastgood, or is cut short`);
  const known = readManifestText(file, manifest, release);
  for (const { path, bytes, sha256 } of known.files) {
    const is = found.get(path);
    if (is === undefined) throw new BackupRefused(`${file}: ${path} is missing in it`);
    if (is.bytes !== bytes || is.sha256 !== sha256)
      throw new BackupRefused(
        `${file}: ${path} was changed after the backup was made (found ${is.sha256.slice(0, 12)}…, expected ${sha256.slice(0, 12)}…)`,
      );
    found.delete(path);
  }
  const [foreign] = found.keys();
  if (foreign !== undefined) throw new BackupRefused(`${file}: ${foreign} was put into it after the backup was made`);
  return known;
}

async function* seenBy(content: AsyncIterable<Buffer>, see: (piece: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const piece of content) {
    see(piece);
    yield piece;
  }
}

function refusalOf(file: string, at: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof BackupRefused) return error;
  if (error instanceof TarBroken) return new BackupRefused(`${file}: ${message} (at ${at})`, { cause: error });
  if (code?.startsWith('Z_') === true)
    return new BackupRefused(`${file}: it is cut short, damaged, or no backup (${message}, at ${at})`, {
      cause: error,
    });
  if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR')
    return new BackupRefused(`${file}: ${message}; expected an archive that \`lastgood backup --out\` wrote`);
  return error;
}
