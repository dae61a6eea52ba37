/** A kind of object that another tool's controller acts on. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

/** The part of the Kubernetes API that faults need. Answers are not believed: whoever reads them parses them. */
export interface KubernetesApi {
  /** Of the cluster, for people. */
  readonly server: string;
  /**
   * Creates an object with strict validation of its fields: a misspelt one is refused, not dropped in silence. Rejects with
   * {@link KubernetesRefused}.
   */
  create(resource: Resource, namespace: string, body: object): Promise<unknown>;
  /** Null where there is none. */
  get(resource: Resource, namespace: string, name: string): Promise<unknown>;
  /** Null where there is none. RFC 7386. */
  mergePatch(resource: Resource, namespace: string, name: string, patch: object): Promise<unknown>;
  /** Asks for its end; a finalizer may keep it. One that is not there is gone already. */
  remove(resource: Resource, namespace: string, name: string): Promise<void>;
}

/** The API server answered, and did not do it. */
export class KubernetesRefused extends Error {
  override readonly name = 'KubernetesRefused';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** No whole answer. */
export class KubernetesUnreachable extends Error {
  override readonly name = 'KubernetesUnreachable';
}
