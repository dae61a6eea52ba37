import type { AlertsConfiguration } from './alerts-configuration';
import type { RollbackWebhook, WebhookConfiguration } from './webhooks-schema';
import type { z } from 'zod';
import type { ExternalPart } from '../../adapters/serving/external-parts';
import type { DockerConnection } from '../../adapters/serving/docker/client';
import type { DockerTemplate } from '../../adapters/serving/docker/template';
import type { FeatureOptions } from '../../domain/detection/answer-features';
import type { Json } from '../../domain/ledger';
import type { Role } from '../../domain/roles';
import type { CachePolicy, ServicePolicy } from '../../domain/policy';
import type { Protocol } from '../../domain/traffic-support';
import type { ArtifactRules } from './artifacts-schema';
import type { ListenAddress } from './fields';
import type { ConfiguredExporter } from './hardware-schema';
import type { DeclaredMetric } from './metric-schema';
import type { PipelineConfiguration } from './pipelines-schema';
import type { RegistryConfiguration } from './registry-schema';
import type { RouterConfiguration } from './router-schema';
import type { ServiceText } from './schema';
import type { probesSchema } from './serving-schema';

/** The configuration as the processes use it: every default filled in, every path absolute, times in milliseconds. */
export interface Configuration {
  /** The file that it was read from. */
  readonly file: string;
  readonly dataDir: string;
  /** The host that this process works for. */
  readonly host: string;
  /** The host of controller and router: the one that the file names. */
  readonly controlHost: string;
  readonly temporal: TemporalConfiguration;
  readonly api: {
    readonly listen: ListenAddress;
    readonly tls: {
      readonly certFile: string;
      readonly keyFile: string;
      readonly clientCaFile: string | null;
    } | null;
    readonly tokenFile: string;
    readonly identity: IdentityConfiguration;
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
  /** What may be imported and loaded. */
  readonly artifacts: ArtifactRules;
  readonly ledger: {
    readonly file: string;
    readonly anchorFile: string;
    /** Null: the file. */
    readonly postgres: PostgresConfiguration | null;
  };
  readonly alerts: AlertsConfiguration;
  readonly services: readonly ServiceConfiguration[];
}

export interface PostgresConfiguration {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** Null: the server asks for none (a certificate, `trust` on loopback). */
  readonly password: { readonly file: string } | { readonly env: string } | null;
  readonly tls: { readonly caFile: string | null; readonly serverName: string | null } | null;
  readonly schema: string;
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
  /** Files of 32 bytes in hex; empty: payloads are not encrypted. */
  readonly encryptionKeys: readonly { readonly id: string; readonly file: string }[];
}

export type ConfiguredProbe = z.output<typeof probesSchema>[number];

export interface ServerTls {
  readonly caFile: string | null;
  readonly serverName: string | null;
}

/** How to talk to a serving process. */
export interface ProtocolConfiguration {
  /** How servers at https:// prove themselves; null: by the authorities that Node knows. */
  readonly tls: ServerTls | null;
  readonly engine: ServiceText['serving']['engine'];
  readonly digestHeader: string | null;
  readonly versionHeader: string | null;
  /** Secret of the server, sent with our own calls; clients bring theirs. */
  readonly apiKeyFile: string | null;
  /** Body of the completion that proves readiness; null: one token. */
  readonly canary: Json | null;
  readonly http: Extract<ServiceText['serving'], { runtime: 'process' }>['http'];
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

export interface TritonServing {
  readonly address: string;
  readonly metricsPort: number | null;
  readonly repository: string;
  readonly subdirectory: string;
  readonly loadLimitMs: number;
  /** Records and logs of its copies; beside them is known what each version number stands for. */
  readonly directory: string;
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
    | ({ readonly runtime: 'triton' } & TritonServing)
    | {
        readonly runtime: 'vllm-adapters';
        /** The running vLLM. */
        readonly address: string;
        /** Where its machine has the directory of the artifacts; null: at the same place. */
        readonly artifactsThere: string | null;
        /** Where in an artifact the adapter is; empty: the artifact itself. */
        readonly adapter: string;
        readonly maxAdapters: number | null;
        readonly startLimitMs: number;
      }
    | {
        readonly runtime: 'external';
        readonly serves: { readonly versions: Readonly<Record<string, string>> } | { readonly address: string };
        /** A version that sleeps at its address is woken when it is loaded. */
        readonly wake: boolean;
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

export type CacheConfiguration = CachePolicy & {
  readonly slaP99Ms: number | null;
  readonly modelPerSecond: number | null;
} & (
    | {
        readonly kind: 'redis';
        readonly host: string;
        readonly port: number;
        readonly database: number;
        readonly user: string | null;
        readonly password: { readonly file: string } | { readonly env: string } | null;
        readonly tls: ServerTls | null;
      }
    | {
        readonly kind: 'gateway';
        readonly maxBytes: number;
        readonly maxEntryBytes: number;
        readonly coalesceMaxMs: number;
        readonly ignoreHeaders: readonly string[];
      }
  );

export interface ServiceConfiguration {
  readonly name: string;
  readonly listen: ListenAddress;
  readonly protocols: readonly Protocol[];
  readonly listenTls: {
    readonly certFile: string;
    readonly keyFile: string;
    readonly clientCaFile: string | null;
    readonly anyClient: boolean;
  } | null;
  readonly model: string;
  readonly serving: ServingConfiguration;
  /** Address of the copies on each of its hosts. */
  readonly hosts: Readonly<Record<string, string>>;
  readonly session: {
    readonly header: string | null;
    readonly cookie: string | null;
    readonly field: string | null;
    readonly maxLifetimeMs: number;
  };
  /** Where clients name the item of a pipeline; null: they do not. */
  readonly itemId: { readonly header: string } | { readonly field: string } | null;
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
  /** How the parts that run outside of the serving process are asked for their version, by name. */
  readonly external: Readonly<Record<string, ExternalPart>>;
  readonly dependencies: readonly string[];
  /** What tells the state of the machines beside this host. */
  readonly hardware: readonly ConfiguredExporter[];
  /** Metrics from outside, with where they come from; the policy has them without. */
  readonly metrics: readonly DeclaredMetric[];
  /** Null for a service that is no language model. */
  readonly semantic: SemanticConfiguration | null;
  /** Whether chaos experiments may be made on it. */
  /** Nothing of the service is deleted; null: retention as configured. */
  readonly legalHold: { readonly by: string; readonly reason: string } | null;
  readonly chaos: 'refuse' | 'ask' | 'allow';
  /** Null: versions are imported by hand. */
  readonly registry: RegistryConfiguration | null;
  /** Output caches that follow the traffic. */
  readonly caches: readonly CacheConfiguration[];
  readonly pipelines: readonly PipelineConfiguration[];
  readonly webhooks: readonly WebhookConfiguration[];
  readonly rollbackWebhooks: readonly RollbackWebhook[];
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

/** Who may speak to the controller beside the user whose processes these are. */
export interface IdentityConfiguration {
  /** Private key of the controllers that signs acts; made at the first start. */
  readonly actKeyFile: string;
  readonly tokensFile: string | null;
  readonly oidc: {
    readonly issuer: string;
    readonly audience: string;
    readonly keys: { readonly url: string } | { readonly file: string };
    readonly nameClaim: string;
    readonly rolesClaim: string;
    readonly roles: Readonly<Record<string, readonly Role[]>>;
  } | null;
  readonly certificates: readonly {
    readonly commonName: string;
    readonly roles: readonly Role[];
    readonly services: readonly string[] | null;
  }[];
}
