import { createReadStream, readFileSync } from 'node:fs';
import { z } from 'zod';
import { DockerDiskFull, DockerFault, DockerRefused, DockerUnreachable, ImageUnavailable } from '../errors';
import { diskFullText, isDiskFull, isStatus, type DockerClient } from './client';
import { parseImageId } from './inspection';
import { linesOf } from './lines';
import { IMAGE_ID, type DockerImage } from './template';

/** A registry or a disk that says nothing for so long has stopped. */
const STALL_MS = 60_000;
const IMAGE_LIMIT_MS = 12 * 60 * 60_000;

/** One line of the engine while it pulls or loads. */
const progressSchema = z.object({
  status: z.string().optional(),
  id: z.string().optional(),
  stream: z.string().optional(),
  progressDetail: z.object({ current: z.number().optional(), total: z.number().optional() }).optional(),
  error: z.string().optional(),
});

export interface BringOptions {
  readonly signal: AbortSignal;
  /** Told what is going on, in words, at most once a second. */
  readonly progress: (words: string) => void;
  readonly registryAuthFile: string | null;
  readonly stallMs?: number;
}

/** Id of the image at the engine; null where it is not there. */
export async function imageId(client: DockerClient, reference: string, signal?: AbortSignal): Promise<string | null> {
  try {
    const found: unknown = await client.call(
      `look at the image ${reference}`,
      // Its types do not know the signal that every call takes.
      (docker, abortSignal) => docker.getImage(reference).inspect({ abortSignal } as object),
      signal === undefined ? {} : { signal },
    );
    return parseImageId(found);
  } catch (fault) {
    if (isStatus(fault, 404)) return null;
    throw fault;
  }
}

/**
 * Makes sure that the engine has the image, and resolves to its id. Idempotent: an image that is there is not brought again,
 * and the engine keeps the layers that it has already. Rejects with {@link ImageUnavailable}.
 */
export async function bringImage(client: DockerClient, image: DockerImage, options: BringOptions): Promise<string> {
  const { reference, archive } = image;
  const there = await imageId(client, reference, options.signal);
  if (there !== null) return there;
  const said = archive === null ? await pull(client, reference, options) : await load(client, archive, options);
  const id = await imageId(client, reference, options.signal);
  if (id !== null) return id;
  throw new ImageUnavailable(
    archive === null
      ? `${reference} was pulled, and ${client.name} does not have it: ${said}`
      : `${archive} was loaded into ${client.name}, and does not hold ${reference}: ${said}. Expected the id that ` +
          '`docker image inspect --format {{.Id}}` said of the image that was saved',
  );
}

async function pull(client: DockerClient, reference: string, options: BringOptions): Promise<string> {
  if (IMAGE_ID.test(reference)) {
    throw new ImageUnavailable(
      `${client.name} does not have the image ${reference}, and an image cannot be pulled by its id: load it there ` +
        '(`docker load -i FILE`), name an archive of it, or name it as NAME@sha256:… of a registry',
    );
  }
  const what = `pull ${reference}`;
  const authconfig = options.registryAuthFile === null ? undefined : readAuth(options.registryAuthFile);
  try {
    return await follow(client, what, options, (docker, abortSignal) =>
      docker.createImage(authconfig ?? {}, { fromImage: reference, abortSignal }),
    );
  } catch (fault) {
    // The registry's own no comes as a fault of the engine.
    if (fault instanceof DockerFault || fault instanceof DockerRefused) throw failure(client, what, fault.message);
    throw fault;
  }
}

async function load(client: DockerClient, archive: string, options: BringOptions): Promise<string> {
  const file = createReadStream(archive);
  try {
    await new Promise<void>((opened, failed) => file.once('open', () => opened()).once('error', failed));
  } catch (fault) {
    throw new ImageUnavailable(`the archive of an image cannot be read: ${(fault as Error).message}`, { cause: fault });
  }
  try {
    return await follow(client, `load ${archive}`, options, (docker, abortSignal) =>
      docker.loadImage(file, { abortSignal }),
    );
  } finally {
    file.destroy();
  }
}

type Begin = (
  docker: Parameters<Parameters<DockerClient['call']>[1]>[0],
  abortSignal: AbortSignal,
) => Promise<NodeJS.ReadableStream>;

/** Reads what the engine says to its end; resolves to its last words. The engine answers 200 and fails in the stream. */
async function follow(client: DockerClient, what: string, options: BringOptions, begin: Begin): Promise<string> {
  const stallMs = options.stallMs ?? STALL_MS;
  const stalled = new AbortController();
  const signal = AbortSignal.any([options.signal, stalled.signal]);
  let timer = setTimeout(() => stalled.abort(), stallMs);
  let toldAt = 0;
  let last = '';
  try {
    return await client.call(
      what,
      async (docker, abortSignal) => {
        for await (const line of linesOf(await begin(docker, abortSignal))) {
          clearTimeout(timer);
          timer = setTimeout(() => stalled.abort(), stallMs);
          const said = wordsOf(line);
          if (said.error !== null) throw failure(client, what, said.error);
          last = said.words === '' ? last : said.words;
          if (Date.now() - toldAt >= 1_000) {
            toldAt = Date.now();
            options.progress(`${what}: ${last}`.slice(0, 300));
          }
        }
        abortSignal.throwIfAborted();
        return last;
      },
      { limitMs: IMAGE_LIMIT_MS, signal },
    );
  } catch (fault) {
    options.signal.throwIfAborted();
    if (stalled.signal.aborted)
      throw new DockerUnreachable(
        `${client.name}: ${what}: nothing came for ${stallMs} ms; last: ${last || 'nothing'}`,
      );
    throw fault;
  } finally {
    clearTimeout(timer);
  }
}

function wordsOf(line: string): { readonly words: string; readonly error: string | null } {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return { words: '', error: null };
  }
  const parsed = progressSchema.safeParse(json);
  if (!parsed.success) return { words: '', error: null };
  const { status, id, stream, progressDetail, error } = parsed.data;
  if (error !== undefined) return { words: '', error };
  const { current, total } = progressDetail ?? {};
  const amount =
    current === undefined ? '' : ` ${mebibytes(current)}${total === undefined ? '' : ` of ${mebibytes(total)}`}`;
  const words = [id, status ?? stream?.trim()].filter((part) => part !== undefined && part !== '').join(' ');
  return { words: `${words}${amount}`, error: null };
}

function failure(client: DockerClient, what: string, words: string): Error {
  if (isDiskFull(words)) return new DockerDiskFull(diskFullText(client.name, what, words));
  // A registry that cannot be reached may be there a moment later; one that says no says it again.
  if (/timeout|connection refused|no such host|temporar|EOF|reset by peer|TLS handshake/i.test(words))
    return new DockerUnreachable(`${client.name}: ${what}: ${words.trim().slice(0, 400)}`);
  return new ImageUnavailable(`${client.name}: ${what}: ${words.trim().slice(0, 400)}`);
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

const authSchema = z.strictObject({
  username: z.string().min(1),
  password: z.string().min(1),
  serveraddress: z.string().optional(),
});

function readAuth(file: string): z.infer<typeof authSchema> {
  try {
    return authSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (fault) {
    // The content is a secret: only where it is wrong is said.
    const why = fault instanceof z.ZodError ? z.prettifyError(fault) : ((fault as { code?: string }).code ?? 'no JSON');
    throw new ImageUnavailable(`${file}: ${why}; expected {"username": …, "password": …, "serveraddress": …}`);
  }
}
