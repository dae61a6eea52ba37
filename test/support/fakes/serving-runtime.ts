import type { InstanceState, ServingRuntime, StartRequest } from '../../../activities/ports';

/** In-memory serving runtime; `refuse` makes the next start of a version fail as a real one fails. */
export class FakeServingRuntime implements ServingRuntime {
  readonly kind = 'process';
  readonly instances = new Map<string, { service: string; state: InstanceState }>();
  readonly starts: StartRequest[] = [];
  readonly refuse = new Map<string, string>();
  readonly foreign: { what: string; why: string }[] = [];
  /** What a start says before it takes so long. */
  slow: { words: string; ms: number } | null = null;
  private nextPort = 40_000;

  async start(request: StartRequest, signal: AbortSignal, progress?: (words: string) => void): Promise<InstanceState> {
    signal.throwIfAborted();
    if (this.slow !== null) {
      progress?.(this.slow.words);
      await new Promise((resolve) => setTimeout(resolve, this.slow?.ms));
    }
    const known = this.instances.get(request.instance)?.state;
    if (known && known.state !== 'exited') {
      if (known.digest !== request.digest)
        throw new Error(`${request.instance} runs with ${known.digest}, not with ${request.digest}`);
      return known;
    }
    const why = this.refuse.get(request.version);
    if (why !== undefined) throw new Error(why);
    this.starts.push(request);
    const state: InstanceState = {
      instance: request.instance,
      version: request.version,
      state: 'running',
      address: `http://127.0.0.1:${this.nextPort++}`,
      digest: request.digest,
      startedAt: 1,
      exit: null,
      memoryBytes: 1024,
    };
    this.instances.set(request.instance, { service: request.service, state });
    return Promise.resolve(state);
  }

  inspect(service: string): ReturnType<ServingRuntime['inspect']> {
    const ours = [...this.instances.values()].filter((entry) => entry.service === service);
    return Promise.resolve({ instances: ours.map((entry) => entry.state), foreign: [...this.foreign] });
  }

  stop(instance: string): ReturnType<ServingRuntime['stop']> {
    const entry = this.instances.get(instance);
    if (!entry || entry.state.state === 'exited')
      return Promise.resolve({ outcome: 'absent', why: 'nothing runs under this name' });
    this.end(instance, 'stopped');
    return Promise.resolve({ outcome: 'stopped', why: 'at once' });
  }

  logs(instance: string, limitBytes: number): Promise<string> {
    const text = this.instances.has(instance) ? `log of ${instance}` : '';
    return Promise.resolve(text.slice(-limitBytes));
  }

  /** The copy dies by itself. */
  end(instance: string, code: string): void {
    const entry = this.instances.get(instance);
    if (!entry) throw new Error(`${instance} was never started`);
    const exit = { at: 2, code, logTail: `log of ${instance}` };
    entry.state = { ...entry.state, state: 'exited', address: null, digest: null, exit, memoryBytes: null };
  }
}
