import { MemoryLedger } from '../../support/memory-ledger';
import type { Verdict } from '../../../domain/detection/types';
import type { LedgerEntry, LedgerKind } from '../../../domain/ledger';
import type { StepReport } from '../../../domain/rollback/operation';
import type { Backend, RouteRecord } from '../../../domain/route';
import type { ServiceEvent } from '../../../domain/service/events';
import { initialState } from '../../../domain/service/initial-state';
import type { Answer, OperatorMessage } from '../../../domain/service/messages';
import { machine } from '../../../domain/service/messages';
import { readinessOf } from '../../../domain/service/readiness';
import { reduce } from '../../../domain/service/reduce';
import type { ServiceState, StoredVersion } from '../../../domain/service/state';
import { resolvePolicy, policySchema } from '../../../workers/configuration/policy-schema';
import { NEWEST_RULES } from '../../../workflows/contract/inputs';
import type { ServiceStatus } from '../../../workflows/contract/status';

export const service = 'mail-triage';
/** 2026-11-23 10:00:00 UTC. */
export const start = Date.UTC(2026, 10, 23, 10, 0, 0);
const alice = { name: 'alice', proof: 'unix-user', from: 'local socket' } as const;

export function digestOf(version: string): string {
  return `sha256:${version.replaceAll('.', '').padEnd(64, 'a0')}`;
}

export function backendOf(version: string): Backend {
  return {
    address: `http://127.0.0.1:90${version.replace('.', '')}`,
    instance: `${service}@${version}#s1`,
    digest: digestOf(version),
  };
}

export const stored = (version: string, order: number, more: Partial<StoredVersion> = {}): StoredVersion => ({
  ...more,
  version,
  digest: digestOf(version),
  importedAt: start - 86_400_000 + order * 60_000,
  evaluation: { accuracy: 0.96, n: 1800, byClass: { bulk: { n: 300, recall: 0.93, precision: 0.9 } } },
  probes: 8,
  model: 'triage',
});

export const bulkVerdict: Verdict = {
  kind: 'degraded',
  tier: 'short-window',
  metric: 'recall:bulk',
  classLabel: 'bulk',
  hard: false,
  observed: 0.78,
  expected: 0.93,
  ucl: null,
  lcl: 0.85,
  unit: 'ratio',
  samples: 45,
  sinceMs: start + 3_610_000,
  onsetMs: start + 3_605_000,
  onsetLowMs: start + 3_600_500,
  onsetHighMs: start + 3_612_000,
  statistic: { name: 'CUSUM', value: 9.4, threshold: 8.1, falseAlarmDays: 30 },
  sentence: 'recall of bulk fell from 93 % to 78 %',
  baseline: '1.2 from 10:00 to 11:00 UTC, 812 labels',
};

const replayed =
  'of 60 replayed inputs 11 are wrong only on the live version and 1 only on the previous one (chance 0.32 %)';

/**
 * A service whose decisions are those of the real reducer, with a ledger. The reports of the steps are played here as
 * the rollback workflow sends them, its own entries included.
 */
export class PlayedService {
  readonly ledger = new MemoryLedger();
  state: ServiceState;
  now = start;
  private reportNo = 0;
  private childEntries = 0;

  constructor(policy: object = {}, rules = NEWEST_RULES) {
    this.state = initialState({
      service,
      host: 'local',
      policy: resolvePolicy(policySchema.parse({ detection: {}, ...policy }), {
        sessionMaxLifetimeMs: 3_600_000,
        changes: 'lastgood',
        onForeignQuarantined: 'alarm',
        unverifiedOperators: 'refuse',
      }),
      rules,
      samples: true,
    });
  }

  status(): ServiceStatus {
    return {
      service,
      readiness: readinessOf(this.state, this.now),
      state: this.state,
      ledgerLag: { entries: 0, oldestAt: null },
    };
  }

  async apply(event: ServiceEvent): Promise<Answer | null> {
    const { state, commands, answer } = reduce(this.state, event, this.now, this.state.rules);
    this.state = { ...state, outbox: [] };
    for (const command of commands) if (command.kind === 'intent') await this.ledger.append(command.entry);
    return answer;
  }

  after(ms: number): this {
    this.now += ms;
    return this;
  }

  message(message: OperatorMessage): Promise<Answer | null> {
    return this.apply({ type: 'message', message });
  }

  async deployed(version: string): Promise<void> {
    const requestId = `deploy-${version}`;
    const answer = await this.message({
      name: 'deploy',
      version,
      requestId,
      reason: `release ${version}`,
      actor: alice,
    });
    if (answer?.decision !== 'accepted') throw new Error(answer?.why ?? 'no answer');
    await this.operation(version, 'deploy');
  }

  /** Every step of the operation in flight, as its workflow reports and records them. */
  async operation(
    version: string,
    kind: 'deploy' | 'rollback',
    procedure: 'standard' | 'emergency' = 'standard',
  ): Promise<void> {
    const operation = this.state.operation;
    if (!operation) throw new Error('no operation is in flight');
    const quick = procedure === 'emergency';
    for (const step of quick ? [] : ['validate', 'load', 'probe']) await this.step(step, version, 400);
    await this.report({ type: 'began', step: 'shift', version, deadlineAt: this.now + 10_000 });
    this.after(200);
    const record = this.recordFor(version);
    await this.childEntry('traffic-shifted', `new requests go to ${version}`, {
      epoch: record.epoch,
      changes: { route: JSON.parse(JSON.stringify(record)) as never },
    });
    await this.report({ type: 'shifted', record, note: 'read back' });
    await this.step('verify', version, kind === 'rollback' ? 2_100 : 900);
    await this.report({
      type: 'ended',
      outcome: 'settled',
      record,
      why: 'verified',
      idle: [],
      verified: { goodAnswers: 20, ms: 2_100, byProbesOnly: false },
    });
  }

  async step(step: string, version: string, ms: number): Promise<void> {
    await this.report({ type: 'began', step, version, deadlineAt: this.now + 60_000 });
    this.after(ms);
    const note = step === 'verify' ? '20 good answers' : '';
    await this.report({ type: 'succeeded', step, version, ms, note });
    await this.childEntry('step-succeeded', `${step} of ${version} succeeded in ${ms} ms`, { step, version, ms, note });
  }

  async report(what: StepReport['what']): Promise<void> {
    const operation = this.state.operation;
    if (!operation) throw new Error('no operation is in flight');
    if (operation.lastNo === 0) this.reportNo = 0;
    this.reportNo += 1;
    await this.apply({
      type: 'step-reported',
      report: { operation: operation.id, no: this.reportNo, at: this.now, what },
    });
  }

  async childEntry(kind: LedgerKind, summary: string, facts: LedgerEntry['facts']): Promise<void> {
    const operation = this.state.operation;
    if (!operation) throw new Error('no operation is in flight');
    this.childEntries += 1;
    await this.ledger.append({
      service,
      key: `rollback/${service}/${operation.id}/${this.childEntries}`,
      at: this.now,
      kind,
      incident: operation.incident,
      actor: machine,
      summary,
      facts: { operation: operation.id, ...facts },
    });
  }

  private recordFor(version: string): RouteRecord {
    const epoch = this.state.operation?.epochs.from ?? 0;
    return { service, epoch, primary: version, pins: [], backends: { [version]: [backendOf(version)] } };
  }

  async degraded(
    verdict: Verdict = bulkVerdict,
    attribution: 'model' | 'environment' | 'undetermined' = 'model',
    reasons: readonly string[] = [replayed],
    id = 'v1',
  ): Promise<void> {
    const { declared } = this.state;
    if (!declared) throw new Error('nothing is live');
    const { epoch, primary: version } = declared;
    const report = { id, epoch, version, verdict, attribution, reasons, suppressed: false };
    await this.apply({ type: 'degradation-began', report });
  }

  /** The copy that the service asked for runs, and its proof holds. */
  async standbyProven(): Promise<void> {
    const { preparing } = this.state;
    if (!preparing) throw new Error('no standby is being made ready');
    const { version, instance } = preparing;
    const backend = { ...backendOf(version), instance };
    await this.apply({ type: 'standby-prepared', version, instance, backend, why: '' });
    await this.after(500).apply({
      type: 'standby-reported',
      report: { version, instance, ok: true, at: this.now, why: 'readiness, digest and 8 probes' },
    });
  }

  async tiers(): Promise<void> {
    const at = this.now - 1_500;
    await this.apply({
      type: 'tiers-reported',
      report: {
        epoch: this.state.declared?.epoch ?? 0,
        version: this.state.declared?.primary ?? '',
        at,
        unmeasuredSince: null,
        environment: [],
        tiers: [
          {
            tier: 'immediate',
            metric: 'error-rate',
            kind: 'ok',
            observed: 0.002,
            expected: 0.005,
            limit: 0.031,
            samples: 3000,
            at,
          },
          { tier: 'immediate', metric: 'memory', kind: 'ok', observed: 1.2, expected: 0, limit: 64, samples: 60, at },
          {
            tier: 'short-window',
            metric: 'recall:bulk',
            kind: 'ok',
            observed: 0.928,
            expected: 0.93,
            limit: 0.85,
            samples: 240,
            at,
          },
          {
            tier: 'short-window',
            metric: 'latency-p95',
            kind: 'inconclusive',
            observed: 8.2,
            expected: 7.9,
            limit: 33,
            samples: 48,
            at,
          },
          {
            tier: 'trend',
            metric: 'accuracy',
            kind: 'unmeasured',
            observed: null,
            expected: null,
            limit: null,
            samples: 0,
            at,
          },
        ],
      },
    });
  }

  async begun(): Promise<this> {
    await this.apply({
      type: 'started',
      recovered: null,
      ledgerReadable: true,
      observed: { record: null, floor: 0, fallback: null, pinned: {} },
      versions: [stored('1.1', 1), stored('1.2', 2), stored('1.3', 3)],
    });
    return this;
  }
}

/** 1.2 live, then 1.3 over it, 1.3 loses a class and is rolled back: the story up to settle. */
export async function rolledBack(policy: object = {}): Promise<PlayedService> {
  const played = await new PlayedService(policy).begun();
  await played.after(1_000).deployed('1.2');
  played.now = start + 3_598_000;
  await played.deployed('1.3');
  played.now = start + 3_639_000;
  await played.degraded();
  await played.after(300).operation('1.2', 'rollback');
  await played.after(4_000).tiers();
  return played;
}
