import type { z } from 'zod';
import type { DockerConnection } from '../../adapters/serving/docker/client';
import type { DockerTemplate } from '../../adapters/serving/docker/template';
import type { FeatureOptions } from '../../domain/detection/answer-features';
import type { ServicePolicy } from '../../domain/policy';
import type { ListenAddress } from './fields';
import type { ConfiguredExporter } from './hardware-schema';
import type { DeclaredMetric } from './metric-schema';
import type { RouterConfiguration } from './router-schema';
import type { probesSchema, ServiceText } from './schema';

/** The configuration as the processes use it: every default filled in, every path absolute, times in milliseconds. */
export interface Configuration {
  /** The file that it was read from. */
  readonly file: string;
  readonly dataDir: string;
  readonly host: string;
  readonly temporal: TemporalConfiguration;
  readonly api: {
    readonly listen: ListenAddress;
    readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
    readonly tokenFile: string;
  };
  readonly gateway: {
    readonly metrics: ListenAddress;
    readonly blindWebhook: { readonly url: string; readonly afterMs: number } | null;
    readonly control: { readonly listen: ListenAddress; readonly tokenFile: string } | null;
    readonly leaseMs: number;
    readonly holdMaxMs: number;
  };
  readonly router: RouterConfiguration;
  readonly artifactDirectory: string;
  readonly ledger: { readonly file: string; readonly anchorFile: string };
  readonly alerts: { readonly terminal: boolean; readonly webhooks: readonly WebhookConfiguration[] };
  readonly services: readonly ServiceConfiguration[];
}

export interface TemporalConfiguration {
  /** Null: the embedded dev server. */
  readonly address: string | null;
  readonly namespace: string;
  readonly tls: {
    readonly serverName: string | null;
    readonly caFile: string | null;
    readonly certFile: string | null;
    readonly keyFile: string | null;
  } | null;
}

/** The secret is read by the process that sends, and never kept in the configuration. */
export interface WebhookConfiguration {
  readonly url: string;
  readonly secret: { readonly file: string } | { readonly env: string };
}

export type ConfiguredProbe = z.output<typeof probesSchema>[number];

/** How to talk to a serving process. */
export interface ProtocolConfiguration {
  readonly engine: ServiceText['serving']['engine'];
  readonly digestHeader: string | null;
  readonly versionHeader: string | null;
  readonly http: ServiceText['serving']['http'];
}

export interface DockerServing {
  readonly connection: DockerConnection;
  readonly template: DockerTemplate;
  readonly reachedAt: string;
  readonly publishAt: string;
  /** Where the engine's host has the directory of the artifacts; null: at the same place. */
  readonly artifactsThere: string | null;
  readonly startLimitMs: number;
}

export type ServingConfiguration = ProtocolConfiguration &
  (
    | {
        readonly runtime: 'process';
        readonly command: readonly string[];
        readonly env: Readonly<Record<string, string>>;
        readonly directory: string;
        readonly startLimitMs: number;
        /** Bytes that a copy may hold; null: its cgroup, else the host. */
        readonly memoryLimitBytes: number | null;
      }
    | ({ readonly runtime: 'docker' } & DockerServing)
    | {
        readonly runtime: 'external';
        readonly serves: { readonly versions: Readonly<Record<string, string>> } | { readonly address: string };
        /** Answers to them identify a server that reports nothing; those with `expect` are golden probes as well. */
        readonly probes: readonly ConfiguredProbe[];
      }
  );

export type EmbedderConfiguration =
  | { readonly kind: 'onnx'; readonly directory: string; readonly packages: string | null }
  | { readonly kind: 'openai'; readonly address: string; readonly model: string; readonly apiKeyFile: string | null }
  | { readonly kind: 'hashed' };

export interface SemanticConfiguration {
  readonly embedder: EmbedderConfiguration;
  readonly windowAnswers: number;
  readonly baselineAnswers: number;
  /** Null: golden probes are not asked again. */
  readonly canaryEveryMs: number | null;
  readonly features: FeatureOptions;
}

export interface ServiceConfiguration {
  readonly name: string;
  readonly listen: ListenAddress;
  readonly model: string;
  readonly serving: ServingConfiguration;
  readonly session: { readonly header: string | null; readonly maxLifetimeMs: number };
  readonly answer: {
    readonly classPath: string | null;
    readonly scorePath: string | null;
    readonly textPath: string | null;
  };
  readonly samples: {
    readonly share: number;
    readonly maxCount: number;
    readonly maxAgeMs: number;
    readonly redact: readonly string[];
  };
  readonly firstByteMs: number;
  readonly requestMaxMs: number;
  readonly repeatable: boolean;
  readonly replayLimitBytes: number;
  readonly feedbackHorizonMs: number;
  readonly answerRetentionDays: number;
  readonly dependencies: readonly string[];
  /** What tells the state of the machines beside this host. */
  readonly hardware: readonly ConfiguredExporter[];
  /** Metrics from outside, with where they come from; the policy has them without. */
  readonly metrics: readonly DeclaredMetric[];
  /** Null for a service that is no language model. */
  readonly semantic: SemanticConfiguration | null;
  readonly policy: ServicePolicy;
}

/** The file cannot be used. `problems` has one line each: file, line, column, path, what was found and expected. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/** The service of that name. */
export function serviceNamed(configuration: Configuration, name: string): ServiceConfiguration | undefined {
  return configuration.services.find((service) => service.name === name);
}

/** Samples of inputs are kept, so that versions can be compared on real inputs. */
export function keepsSamples(service: ServiceConfiguration): boolean {
  return service.samples.share > 0 && service.samples.maxCount > 0;
}
