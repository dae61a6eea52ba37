import type { ChainedEntry } from '../../domain/ledger';
import type { ApiPorts } from '../ports';
import { viewService } from '../service-view';
import type { ServiceView } from '../types';
import type { EventStream } from './event-stream';

const pageEntries = 200;

interface Listener {
  readonly stream: EventStream;
  /** The last entry that it has; null: it wants those from now on, and the ledger has not said yet where that is. */
  after: number | null;
  /** It has all that the feed has told; before, it reads the ledger for itself. */
  current: boolean;
}

/** Looks at one service for all who listen to it, as long as somebody does. */
export class ServiceFeed {
  private readonly listeners = new Set<Listener>();
  /** The last entry that was told; null: not known yet. */
  private seq: number | null = null;
  private last: { readonly view: ServiceView; readonly text: string } | null = null;
  private stopped: (() => void) | null = null;

  constructor(
    private readonly ports: ApiPorts,
    private readonly service: { readonly name: string; readonly model: string },
    private readonly everyMs: number,
  ) {}

  /** `after` null: only what is new. */
  add(stream: EventStream, after: number | null): void {
    const listener: Listener = { stream, after: after ?? this.seq, current: after === null };
    this.listeners.add(listener);
    stream.body.once('close', () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.stopped?.();
    });
    if (this.last !== null) stream.status(this.last.view, this.idFor(listener));
    if (this.stopped === null) void this.run();
    if (after !== null) void this.catchUp(listener, after);
  }

  private async run(): Promise<void> {
    let goesOn = true;
    let timer: NodeJS.Timeout | undefined;
    let wake: () => void = () => undefined;
    const stop = (): void => {
      goesOn = false;
      clearTimeout(timer);
      this.stopped = null;
      // What was seen is not kept for whoever comes later.
      this.seq = null;
      this.last = null;
      wake();
    };
    this.stopped = stop;
    while (goesOn) {
      await this.look(() => goesOn);
      if (!goesOn) return;
      await new Promise<void>((resume) => {
        wake = resume;
        timer = setTimeout(resume, this.everyMs);
      });
    }
  }

  private async look(goesOn: () => boolean): Promise<void> {
    // A ledger that is down is asked again at the next look; what is seen of the service does not wait for it.
    await this.readEntries(goesOn).catch(() => undefined);
    const view = await viewService(this.ports, this.service.name, this.service.model);
    if (!goesOn()) return;
    const text = JSON.stringify({ ...view, at: 0 });
    if (text === this.last?.text) return;
    this.last = { view, text };
    for (const listener of this.listeners) listener.stream.status(view, this.idFor(listener));
  }

  /** Only for whoever has all up to it. */
  private idFor({ after }: Listener): number | null {
    return after === this.seq ? this.seq : null;
  }

  private async readEntries(goesOn: () => boolean): Promise<void> {
    const { ledger } = this.ports;
    if (this.seq === null) {
      const head = await ledger.head(this.service.name);
      if (goesOn()) this.tell([], head?.seq ?? 0);
    }
    for (let full = true; full && goesOn();) {
      const entries = await this.page(this.seq ?? 0);
      if (!goesOn()) return;
      this.tell(entries, entries.at(-1)?.seq ?? this.seq ?? 0);
      full = entries.length === pageEntries;
    }
  }

  private tell(entries: readonly ChainedEntry[], seq: number): void {
    this.seq = seq;
    for (const listener of this.listeners) {
      listener.after ??= seq;
      if (listener.current) give(listener, entries);
    }
  }

  /** Page by page, as fast as its reader takes them, until it has what the feed has told. */
  private async catchUp(listener: Listener, after: number): Promise<void> {
    const { stream } = listener;
    listener.after = after;
    while (stream.open) {
      // Nothing is awaited between this comparison and its being current, so no entry falls between.
      if (this.seq !== null && listener.after >= this.seq) {
        listener.current = true;
        return;
      }
      const entries = await this.page(listener.after).catch((): ChainedEntry[] => []);
      give(listener, entries);
      if (entries.length > 0) await stream.drained();
      else await new Promise((resume) => setTimeout(resume, this.everyMs));
    }
  }

  private page(after: number): Promise<ChainedEntry[]> {
    return this.ports.ledger.read(this.service.name, { afterSeq: after, limit: pageEntries });
  }
}

function give(listener: Listener, entries: readonly ChainedEntry[]): void {
  for (const entry of entries) {
    if (listener.after !== null && entry.seq <= listener.after) continue;
    listener.stream.entry(entry);
    listener.after = entry.seq;
  }
}
