import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Faults } from '../../activities/ports';
import { compiled } from './compiled';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The faults of `faults-child-main.ts` as if they were here. */
export class FaultsChild implements Faults {
  private readonly waiting = new Map<number, Waiting>();
  private asked = 0;

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (answer: { id: number; value?: unknown; error?: { name: string; message: string } }) => {
      const { id, value, error } = answer;
      const one = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) one?.resolve(value);
      else one?.reject(Object.assign(new Error(error.message), { name: error.name }));
    });
    child.on('exit', (code) => {
      for (const { reject } of this.waiting.values()) reject(new Error(`the child ended with ${String(code)}`));
    });
  }

  static start(): FaultsChild {
    const main = 'test/support/faults-child-main';
    const directory = compiled(['adapters', 'activities', 'domain', 'gateway', 'workflows', `${main}.ts`]);
    // Compiled below the package, so that libraries are found.
    return new FaultsChild(fork(join(directory, `${main}.js`), { execArgv: [] }));
  }

  prepare: Faults['prepare'] = (...args) => this.ask('prepare', args) as ReturnType<Faults['prepare']>;
  inject: Faults['inject'] = (...args) => this.ask('inject', args) as ReturnType<Faults['inject']>;
  remove: Faults['remove'] = (...args) => this.ask('remove', args) as ReturnType<Faults['remove']>;

  stop(): void {
    this.child.kill('SIGKILL');
  }

  private ask(method: keyof Faults, args: unknown[]): Promise<unknown> {
    this.asked += 1;
    const id = this.asked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.child.send({ id, method, args });
    });
  }
}
