import { fork, type ChildProcess } from 'node:child_process';
import type { LoadPlan, RequestRecord } from './load-client';

export type { LoadPlan, RequestRecord };

/** Handle of the load client's process. */
export class Load {
  private readonly waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  private lastId = 0;

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (message: { id: number; answer?: never; error?: string }) => {
      const asked = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (message.error === undefined) asked?.resolve(message.answer as never);
      else asked?.reject(new Error(message.error));
    });
    child.once('exit', (code, signal) => {
      for (const { reject } of this.waiting.values()) reject(new Error(`the load client ended: ${code ?? signal}`));
      this.waiting.clear();
    });
  }

  /** @param program the compiled `load-client.js` */
  static async start(program: string, plan: LoadPlan): Promise<Load> {
    const child = fork(program, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [] });
    const load = new Load(child);
    await load.ask({ do: 'start', ...plan });
    return load;
  }

  async rate(perSecond: number): Promise<void> {
    await this.ask({ do: 'rate', perSecond });
  }

  /** Requests whose fate is known, of those numbered from `after` on; and how many have none yet. */
  read(after = 0): Promise<{ records: RequestRecord[]; inFlight: number }> {
    return this.ask({ do: 'read', after });
  }

  /** Ends the sending, waits for every answer, gives all records, ends the process. */
  async stop(): Promise<RequestRecord[]> {
    await this.ask({ do: 'stop' });
    const { records } = await this.read();
    this.kill();
    return records;
  }

  kill(): void {
    if (this.child.connected) this.child.disconnect();
    this.child.kill('SIGKILL');
  }

  private ask<T>(order: object): Promise<T> {
    this.lastId += 1;
    const id = this.lastId;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (value: never) => void, reject });
      this.child.send({ id, order }, (error) => error && reject(error));
    });
  }
}
