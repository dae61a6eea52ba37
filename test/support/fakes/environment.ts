import type { Environment } from '../../../activities/ports';
import type { Json } from '../../../domain/ledger';

/** In-memory environment: says what it was told to say of a service, and throws for one that it was not told of. */
export class FakeEnvironment implements Environment {
  private readonly told = new Map<string, { changed: string[]; unmeasured: string[] }>();
  readonly asked: { service: string; sinceMs: number }[] = [];

  tell(service: string, state: { changed?: string[]; unmeasured?: string[] }): void {
    this.told.set(service, { changed: state.changed ?? [], unmeasured: state.unmeasured ?? [] });
  }

  async assess(
    service: string,
    sinceMs: number,
  ): Promise<{ changed: string[]; unmeasured: string[]; facts: { [key: string]: Json } }> {
    this.asked.push({ service, sinceMs });
    const told = this.told.get(service);
    if (!told) throw new Error(`the environment of ${service} was not stubbed`);
    const facts = Object.fromEntries([
      ...told.changed.map((name) => [name, { state: 'changed' }] as const),
      ...told.unmeasured.map((name) => [name, { state: 'unmeasured' }] as const),
    ]);
    return Promise.resolve({ changed: [...told.changed], unmeasured: [...told.unmeasured], facts });
  }
}
