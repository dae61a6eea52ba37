import { statfs } from 'node:fs/promises';
import { z } from 'zod';
import { DockerFault } from '../errors';
import { DockerClient, type DockerConnection } from './client';
import { imageId } from './image';
import { IMAGE_ID, type DockerImage, type DockerTemplate } from './template';

/** What one engine says of itself. */
export interface EngineFacts {
  /** The engine, in words. */
  readonly name: string;
  readonly version: string;
  readonly liveRestore: boolean;
  readonly rootless: boolean;
  /** False where its kernel or its rights do not let it limit memory. */
  readonly limitsMemory: boolean;
  readonly runtimes: readonly string[];
  readonly dataRoot: string;
  /** Room for images and containers; null where its disk is not this machine's, or may not be looked at. */
  readonly freeBytes: number | null;
  /** Its own warnings, as it words them. */
  readonly warnings: readonly string[];
  readonly images: readonly ImageFact[];
}

export interface ImageFact {
  readonly reference: string;
  readonly there: boolean;
  /** How it would come there when it is needed. */
  readonly comesBy: 'registry' | 'archive' | 'nothing';
}

const infoSchema = z.object({
  ServerVersion: z.string(),
  LiveRestoreEnabled: z.boolean(),
  MemoryLimit: z.boolean(),
  DockerRootDir: z.string(),
  SecurityOptions: z.array(z.string()).nullish(),
  Runtimes: z.record(z.string(), z.unknown()).nullish(),
  Warnings: z.array(z.string()).nullish(),
});

/** Asks once and changes nothing. Rejects as {@link DockerClient.call}. */
export async function askEngine(connection: DockerConnection, template: DockerTemplate): Promise<EngineFacts> {
  const client = new DockerClient(connection);
  const answer: unknown = await client.call('describe itself', (docker) => docker.info());
  const parsed = infoSchema.safeParse(answer);
  if (!parsed.success)
    throw new DockerFault(
      `${client.name} describes itself otherwise than its API says: ${z.prettifyError(parsed.error)}`,
    );
  const info = parsed.data;
  const wanted = [template.image, ...Object.values(template.images)];
  return {
    name: client.name,
    version: info.ServerVersion,
    liveRestore: info.LiveRestoreEnabled,
    rootless: (info.SecurityOptions ?? []).some((option) => option.includes('rootless')),
    limitsMemory: info.MemoryLimit,
    runtimes: Object.keys(info.Runtimes ?? {}),
    dataRoot: info.DockerRootDir,
    freeBytes: client.local ? await freeBytes(info.DockerRootDir) : null,
    warnings: info.Warnings ?? [],
    images: await Promise.all(wanted.map((image) => imageFact(client, image))),
  };
}

async function imageFact(client: DockerClient, image: DockerImage): Promise<ImageFact> {
  const { reference, archive } = image;
  const there = (await imageId(client, reference)) !== null;
  const comesBy = archive !== null ? 'archive' : IMAGE_ID.test(reference) ? 'nothing' : 'registry';
  return { reference, there, comesBy };
}

async function freeBytes(path: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch {
    // Its data root is readable by root alone, as it should be.
    return null;
  }
}
