import { constants } from 'node:os';
import { z } from 'zod';
import { DockerFault } from '../errors';

/** What is read of an engine's answer about a container; the rest of it is not looked at. */
const inspectionSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  /** Id of the image, not its name. */
  Image: z.string(),
  Created: z.string(),
  State: z.object({
    Status: z.enum(['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead']),
    OOMKilled: z.boolean(),
    ExitCode: z.number(),
    Error: z.string(),
    StartedAt: z.string(),
    FinishedAt: z.string(),
  }),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullish(), Tty: z.boolean().optional() }),
  HostConfig: z.object({ NetworkMode: z.string(), Memory: z.number() }),
  NetworkSettings: z.object({
    Ports: z.record(z.string(), z.array(z.object({ HostIp: z.string(), HostPort: z.string() })).nullable()).nullish(),
  }),
});
export type Inspection = z.infer<typeof inspectionSchema>;

export function parseInspection(answer: unknown): Inspection {
  const parsed = inspectionSchema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new DockerFault(
    `the engine described a container otherwise than its API says: ${z.prettifyError(parsed.error)}`,
  );
}

/** A name in the path of a call: what an engine says of it goes nowhere else. */
const id = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9:_.-]{0,200}$/, 'an id');
const listSchema = z.array(z.object({ Id: id }));

/** Ids in the engine's list of containers. @throws DockerFault where the answer is none */
export function parseContainerList(answer: unknown): string[] {
  const parsed = listSchema.safeParse(answer);
  if (parsed.success) return parsed.data.map(({ Id }) => Id);
  throw new DockerFault(`the engine lists containers otherwise than its API says: ${z.prettifyError(parsed.error)}`);
}

/** The id in an engine's description of an image. @throws DockerFault where there is none */
export function parseImageId(answer: unknown): string {
  const parsed = z.object({ Id: id }).safeParse(answer);
  if (parsed.success) return parsed.data.Id;
  throw new DockerFault(`the engine described an image otherwise than its API says: ${z.prettifyError(parsed.error)}`);
}

export function isUp({ State: { Status } }: Inspection): boolean {
  return Status === 'running' || Status === 'paused' || Status === 'restarting';
}

export function hasEnded({ State: { Status } }: Inspection): boolean {
  return Status === 'exited' || Status === 'dead' || Status === 'removing';
}

/** Moment of an engine's time stamp in milliseconds; null for its zero time (year 1). */
export function momentOf(stamp: string): number | null {
  const at = Date.parse(stamp);
  return Number.isFinite(at) && at > 0 ? at : null;
}

/** How a container ended, in words: `SIGTERM`, `3`, `out of memory (SIGKILL)`, the engine's own error. */
export function endOf({ State }: Inspection): string {
  const signal = Object.entries(constants.signals).find(([, number]) => number === State.ExitCode - 128);
  const code = signal === undefined ? String(State.ExitCode) : signal[0];
  if (State.OOMKilled) return `out of memory (${code})`;
  return State.Error === '' ? code : `${code}: ${State.Error.slice(0, 200)}`;
}

/** Port of the engine's host at which a published port answers; null while it is not published. */
export function publishedPort({ NetworkSettings: { Ports } }: Inspection): number | null {
  for (const bindings of Object.values(Ports ?? {})) {
    const port = Number(bindings?.[0]?.HostPort ?? '');
    if (Number.isInteger(port) && port > 0) return port;
  }
  return null;
}

const statsSchema = z.object({
  memory_stats: z.object({
    usage: z.number().optional(),
    limit: z.number().optional(),
    stats: z.record(z.string(), z.number()).optional(),
  }),
});

/**
 * Bytes that a container holds, and where its memory ends (its own limit, else what its host has). The inactive part of the
 * page cache is left out, as `docker stats` does: files that were read once are no leak.
 */
export function memoryFrom(answer: unknown): { readonly bytes: number; readonly limitBytes: number | null } | null {
  const parsed = statsSchema.safeParse(answer);
  const { usage, limit, stats } = parsed.success ? parsed.data.memory_stats : {};
  if (usage === undefined) return null;
  // The first is what cgroups v1 call it, the second v2.
  const cache = stats?.['total_inactive_file'] ?? stats?.['inactive_file'] ?? 0;
  return { bytes: Math.max(0, usage - cache), limitBytes: limit ?? null };
}
