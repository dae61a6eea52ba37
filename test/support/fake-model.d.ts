import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http';

export interface FakeModelFaults {
  status?: number;
  delayMs?: number;
  hang?: boolean;
  reset?: boolean;
  notReady?: boolean;
  garbage?: boolean;
  hugeBytes?: number;
  /** Part of the inferences that have the fault, by count. */
  share?: number;
}

export interface FakeModelOptions {
  /** Null reports none at all. */
  digest?: string | null;
  /** Leaves the digest out of the model metadata only. */
  hideDigest?: boolean;
  model?: string;
  version?: string;
  label?: string | ((input: unknown, request: IncomingMessage) => string);
  /** Label by input; falls back to `label`. */
  answers?: Readonly<Record<string, string>>;
  score?: number;
  headers?: Readonly<Record<string, string>>;
  host?: string;
  port?: number;
}

export interface FakeModel {
  faults: FakeModelFaults;
  /** Inferences are answered when it resolves. */
  gate?: Promise<void>;
  requests: number;
  readonly inferences: { headers: IncomingHttpHeaders; text: string }[];
  options: FakeModelOptions;
  readonly port: number;
  readonly address: string;
  readonly server: Server;
  close(): Promise<void>;
}

export function startFakeModel(options?: FakeModelOptions): Promise<FakeModel>;
