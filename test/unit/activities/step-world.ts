import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { Engine, GoldenProbe, StandingView } from '../../../activities/ports';
import type { RouteRecord } from '../../../domain/route';
import type { CountsRow } from '../../../gateway/protocol';
import { FakeArtifactStore } from '../../support/fakes/artifact-store';
import { FakeServingRuntime } from '../../support/fakes/serving-runtime';
import { FakeTelemetry } from '../../support/fakes/telemetry';
import { FakeTrafficRouter } from '../../support/fakes/traffic-router';

export const service = 'mail';
export const model = 'mail';
export const digestOf = (version: string): string => `sha256:${version}`;
export const addressOf = (version: string): string => `http://127.0.0.1:${version.replace('.', '')}00`;

interface Copy {
  version: string;
  digest: string;
  ready: boolean;
  asleep?: boolean;
  label: string;
  fault: Error | null;
}

/** Copies by address; the entrance (`http://127.0.0.1:1`) answers as the primary of the router. */
export class FakeEngine implements Engine {
  readonly name = 'fake';
  readonly copies = new Map<string, Copy>();
  readonly asked: { address: string; headers: Readonly<Record<string, string>> }[] = [];
  readonly looks: string[] = [];

  work?: NonNullable<Engine['work']>;
  wake?: NonNullable<Engine['wake']>;

  constructor(private readonly router: FakeTrafficRouter) {}

  put(address: string, version: string, change: Partial<Copy> = {}): void {
    this.copies.set(address, {
      version,
      digest: digestOf(version),
      ready: true,
      label: 'spam',
      fault: null,
      ...change,
    });
  }

  ready(address: string): ReturnType<Engine['ready']> {
    this.looks.push(address);
    const copy = this.copies.get(address);
    if (!copy) return Promise.resolve({ ready: false, why: 'connection refused' });
    const asleep = copy.asleep === true ? { asleep: true } : {};
    return Promise.resolve({ ready: copy.ready, why: copy.ready ? 'ready' : 'status 503', ...asleep });
  }

  async identity(address: string): ReturnType<Engine['identity']> {
    const { digest, version } = this.need(address);
    return Promise.resolve({ digest, version, means: 'reported-digest' });
  }

  async infer(
    address: string,
    _model: string,
    _body: unknown,
    { headers = {} }: Parameters<Engine['infer']>[3],
  ): ReturnType<Engine['infer']> {
    this.asked.push({ address, headers });
    const copy = address === 'http://127.0.0.1:1' ? await this.behindEntrance() : this.need(address);
    return {
      status: 200,
      ms: 1,
      outputs: { label: copy.label },
      headers: { 'x-lastgood-version': copy.version },
    };
  }

  private async behindEntrance(): Promise<Copy> {
    const { record } = await this.router.read(service);
    const backend = record?.backends[record.primary]?.[0];
    if (!backend) throw new Error('the entrance answers 502');
    return this.need(backend.address);
  }

  private need(address: string): Copy {
    const copy = this.copies.get(address);
    if (!copy) throw new Error('connection refused');
    if (copy.fault) throw copy.fault;
    return copy;
  }
}

export function recordOf(version: string, epoch: number, change: Partial<RouteRecord> = {}): RouteRecord {
  const backend = { address: addressOf(version), instance: `${service}@${version}#s1`, digest: digestOf(version) };
  return { service, epoch, primary: version, pins: [], backends: { [version]: [backend] }, ...change };
}

/** Two versions in the store and running, 1.3 live at epoch 7, epochs 8 to 39 granted. */
export class StepWorld {
  readonly router = new FakeTrafficRouter([service]);
  readonly telemetry = new FakeTelemetry(service, 20);
  readonly artifacts = new FakeArtifactStore();
  readonly runtime = new FakeServingRuntime();
  readonly fake = new FakeEngine(this.router);
  readonly env = new MockActivityEnvironment({ startToCloseTimeoutMs: 5_000 }, { logger: new DefaultLogger('ERROR') });
  view: StandingView = {
    breakerOpen: false,
    breakerEpoch: 0,
    pausedUntil: null,
    pausedWhy: null,
    incident: 'i-1',
    grant: { incident: 'i-1', from: 8, to: 39 },
    unusable: [],
  };
  readonly standing = { read: (): Promise<StandingView> => Promise.resolve(this.view) };
  readonly engine = (): Engine => this.fake;
  readonly serving = (): FakeServingRuntime => this.runtime;
  repeatable = (): boolean => true;

  static async start(): Promise<StepWorld> {
    const world = new StepWorld();
    for (const version of ['1.2', '1.3']) {
      world.fake.put(addressOf(version), version);
      world.artifacts.put(service, infoOf(version), probes);
    }
    await world.router.apply(recordOf('1.3', 7));
    return world;
  }

  /** Counts of live requests in one second from now on. */
  row(version: string, requests: number, failures: number, change: Partial<CountsRow> = {}): CountsRow {
    const at = Date.now();
    return {
      kind: 'counts',
      seq: this.telemetry.rows.length + 1,
      fromMs: at,
      toMs: at + 1_000,
      version,
      epoch: 8,
      cohort: 'live',
      requests,
      failures,
      timeouts: 0,
      clientErrors: 0,
      malformed: 0,
      repeated: 0,
      cut: 0,
      latency: null,
      predicted: {},
      scoreSum: 0,
      scoreCount: 0,
      labels: {},
      ...change,
    };
  }
}

const probes: GoldenProbe[] = ['p1', 'p2'].map((id) => ({
  id,
  request: { text: id },
  expect: { output: 'label', value: 'spam' },
}));

export function infoOf(version: string, importedAt = 1): Parameters<FakeArtifactStore['put']>[1] {
  return {
    version,
    digest: digestOf(version),
    createdAt: 1,
    importedAt,
    engine: 'fake',
    model,
    evaluation: null,
    probes: 2,
    external: [],
    bytes: 1,
  };
}
