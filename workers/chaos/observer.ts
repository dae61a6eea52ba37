import type { SeenEntry, SeenRoute } from '../../domain/chaos/observations';
import type { ChaosWorld, ServiceFacts, ServiceLook } from './world';

/** Enough for hours; more would only be memory. */
const ROUTES_MAX = 20_000;

/** Looks at a service again and again and remembers what changed. A look that nobody answers is no look. */
export class Observer {
  readonly routes: SeenRoute[] = [];
  private entries: SeenEntry[] = [];
  private seenUpTo: number;
  state: ServiceFacts | null = null;

  constructor(
    private readonly world: ChaosWorld,
    private readonly head: number,
  ) {
    this.seenUpTo = head;
  }

  async look(): Promise<ServiceLook> {
    const look = await this.world.look().catch((): ServiceLook => ({ state: null, observed: null }));
    if (look.state !== null) this.state = look.state;
    this.remember(look);
    return look;
  }

  /** Entries since the run began; those known so far while the ledger cannot be asked. */
  async ledger(): Promise<readonly SeenEntry[]> {
    const more = await this.world.entries(this.seenUpTo).catch((): SeenEntry[] => []);
    this.entries = [...this.entries, ...more];
    this.seenUpTo = this.entries.at(-1)?.seq ?? this.head;
    return this.entries;
  }

  private remember({ state, observed }: ServiceLook): void {
    const declared = state?.declared ?? null;
    const route: SeenRoute = {
      at: Date.now(),
      declared: declared && { epoch: declared.epoch, primary: declared.primary },
      observed,
      operation: state?.operation?.id ?? null,
      proven: state?.standby?.proof === 'ok' ? state.standby.version : null,
      barred: (state?.versions ?? [])
        .filter(({ standing }) => standing === 'quarantined' || standing === 'revoked')
        .map(({ version }) => version),
    };
    const last = this.routes.at(-1);
    if (last !== undefined && same(last, route)) this.routes[this.routes.length - 1] = route;
    else if (this.routes.length < ROUTES_MAX) this.routes.push(route);
  }
}

function same({ at: _left, ...left }: SeenRoute, { at: _right, ...right }: SeenRoute): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
