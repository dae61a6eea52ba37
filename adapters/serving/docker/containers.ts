import { label, belonging, type OwnLabels } from './labels';
import { isStatus, type DockerClient } from './client';
import { memoryFrom, parseContainerList, parseInspection, type Inspection } from './inspection';
import { logText } from './log';

/** A container of ours, as it is now. */
export interface OwnContainer {
  readonly labels: OwnLabels;
  readonly seen: Inspection;
}

export interface Found {
  readonly own: readonly OwnContainer[];
  readonly foreign: readonly { readonly what: string; readonly why: string }[];
}

/** The containers of one installation at one engine: looked at, never remembered. */
export class Containers {
  constructor(
    private readonly client: DockerClient,
    readonly owner: string,
  ) {}

  /** Every container with a label of this name and value, in any state; those that are not ours apart. */
  async labelled(name: keyof typeof label, value: string): Promise<Found> {
    const filters = { label: [`${label[name]}=${value}`] };
    const listed: unknown = await this.client.call('list containers', (docker, abortSignal) =>
      docker.listContainers({ all: true, filters, abortSignal }),
    );
    const seen = await Promise.all(parseContainerList(listed).map((id) => this.look(id)));
    const own: OwnContainer[] = [];
    const foreign: { what: string; why: string }[] = [];
    for (const one of seen) {
      if (one === null) continue;
      const whose = belonging(this.owner, one);
      if (whose.is === 'ours') own.push({ labels: whose.labels, seen: one });
      else foreign.push({ what: nameOf(one), why: whose.why });
    }
    own.sort((left, right) => Date.parse(left.seen.Created) - Date.parse(right.seen.Created));
    return { own, foreign };
  }

  /** By id or name; null where there is none. */
  async look(id: string): Promise<Inspection | null> {
    try {
      const answer: unknown = await this.client.call(
        `look at the container ${id.slice(0, 12)}`,
        (docker, abortSignal) => docker.getContainer(id).inspect({ abortSignal }),
      );
      return parseInspection(answer);
    } catch (fault) {
      if (isStatus(fault, 404)) return null;
      throw fault;
    }
  }

  async start(id: string, signal: AbortSignal): Promise<void> {
    await this.client
      .call(
        `start the container ${id.slice(0, 12)}`,
        (docker, abortSignal) => docker.getContainer(id).start({ abortSignal }),
        {
          limitMs: 60_000,
          signal,
        },
      )
      .catch(unless(304));
  }

  /** SIGTERM (or the image's own signal), SIGKILL after `graceMs`. Resolves when it has ended. */
  async stop(id: string, graceMs: number): Promise<void> {
    const t = Math.ceil(graceMs / 1000);
    await this.client
      .call(
        `stop the container ${id.slice(0, 12)}`,
        (docker, abortSignal) => docker.getContainer(id).stop({ t, abortSignal }),
        {
          // The engine answers when it is done: after the grace, and the kill that may follow it.
          limitMs: t * 1000 + 30_000,
        },
      )
      .catch(unless(304, 404));
  }

  /** A container that runs is not removed by this. */
  async remove(id: string): Promise<void> {
    await this.client
      .call(
        `remove the container ${id.slice(0, 12)}`,
        (docker, abortSignal) => docker.getContainer(id).remove({ v: true, abortSignal }),
        {
          limitMs: 60_000,
        },
      )
      // 409: somebody removes it at this moment.
      .catch(async (fault: unknown) => {
        if (isStatus(fault, 404)) return;
        if (isStatus(fault, 409) && (await this.look(id).catch(() => null))?.State.Status !== 'running') return;
        throw fault;
      });
  }

  /** The newest lines of its log; empty where it has none, or where the engine lost it. */
  async log({ Id, Config: { Tty } }: Inspection, lines: number | 'all'): Promise<Buffer> {
    try {
      const raw: unknown = await this.client.call(
        `read the log of ${Id.slice(0, 12)}`,
        (docker, abortSignal) =>
          docker.getContainer(Id).logs({
            stdout: true,
            stderr: true,
            follow: false,
            ...(lines === 'all' ? {} : { tail: lines }),
            abortSignal,
          }),
        { limitMs: 30_000 },
      );
      return logText(
        Buffer.isBuffer(raw) ? raw : Buffer.from(typeof raw === 'string' ? raw : JSON.stringify(raw)),
        Tty ?? false,
      );
    } catch (fault) {
      if (isStatus(fault, 404)) return Buffer.alloc(0);
      throw fault;
    }
  }

  async memory(id: string): Promise<ReturnType<typeof memoryFrom>> {
    const answer: unknown = await this.client.call(`measure ${id.slice(0, 12)}`, (docker, abortSignal) =>
      docker.getContainer(id).stats({ stream: false, 'one-shot': true, abortSignal } as { stream: false }),
    );
    return memoryFrom(answer);
  }
}

export function nameOf({ Name, Id }: Pick<Inspection, 'Name' | 'Id'>): string {
  return `container ${Name.replace(/^\//, '')} (${Id.slice(0, 12)})`;
}

/** What the engine answers where there is nothing to do any more. */
function unless(...statuses: number[]): (fault: unknown) => void {
  return (fault) => {
    if (!statuses.some((status) => isStatus(fault, status)) && (fault as { status?: number }).status !== 304)
      throw fault;
  };
}
