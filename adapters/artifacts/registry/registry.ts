/**
 * A model registry as a source of versions. Nothing is ever loaded from one: a version is fetched whole, gets a manifest
 * and is imported into the artifact store, and from then on the registry is not asked for it again.
 */
export interface Registry {
  readonly kind: 'mlflow' | 'dvc';
  /** For people: which model, and where. */
  readonly where: string;
  /** Every version that is there, newest first. */
  list(signal: AbortSignal): Promise<RegistryVersion[]>;
  /** Reading one of the versions that were listed. Asks nothing yet, or little. */
  open(version: RegistryVersion, signal: AbortSignal): Promise<VersionSource>;
  /** A copy for people at the version; what stood there before is replaced. Never read back as truth. */
  note(version: RegistryVersion, note: RegistryNote, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface RegistryVersion {
  /** Our name of it: `v12` for MLflow's version 12, `1.4.0` for GTO's `v1.4.0`. */
  readonly version: string;
  /** Its name at the registry. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Only `ready` ones are fetched. */
  readonly state: 'ready' | 'pending' | 'failed';
  /** Aliases and stages that name it now, sorted. */
  readonly aliases: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  /** Where its files are, as the registry says it. */
  readonly origin: string;
  /** The run that made it; null where nothing says. */
  readonly run: string | null;
}

export interface RegistryNote {
  /** Its standing with lastgood; null: not known here, and left as it is. */
  readonly standing: string | null;
  readonly text: string | null;
  /** Of the manifest under which it stands in the store; absent or null: left as it is. */
  readonly digest?: string | null;
}

export interface RemoteFile {
  /** Relative to the version, checked by the pull, never by its source. */
  readonly path: string;
  /** Null where the registry does not say. */
  readonly bytes: number | null;
}

export interface VersionSource {
  files(signal: AbortSignal): Promise<RemoteFile[]>;
  /**
   * Writes one listed file to `target`, which is not there yet, and reads at most `limitBytes`. Checks whatever the
   * registry knows of its content; what was begun is left to the caller to remove.
   */
  fetch(file: RemoteFile, target: string, limitBytes: number, signal: AbortSignal): Promise<void>;
  /** A small file of the version, else one that stands beside it (in its run, in its repository); null where there is none. */
  small(path: string, limitBytes: number, signal: AbortSignal): Promise<Buffer | null>;
  /** Numbers and texts that the registry itself keeps of the version; null where it keeps none. */
  figures(signal: AbortSignal): Promise<Figures | null>;
}

export interface Figures {
  /** By name: a metric's last value, `param:NAME`, `tag:NAME`. */
  value(name: string): string | number | undefined;
  /** Milliseconds since the epoch. */
  readonly measuredAt: number;
  /** What identifies the data that it was measured on. */
  readonly data: string;
}
