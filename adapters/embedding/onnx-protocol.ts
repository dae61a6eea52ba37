/** Between the embedder and the thread of its model. */
export interface WorkerSettings {
  readonly directory: string;
  /** Directory whose `node_modules` has the packages; null: those of lastgood. */
  readonly packages: string | null;
}

export interface ToWorker {
  readonly id: number;
  readonly texts: readonly string[];
}

export type FromWorker =
  | { readonly id: number; readonly by: string; readonly vectors: Float32Array[] }
  /** `missing`: nothing that another attempt would change. */
  | { readonly id: number; readonly missing: boolean; readonly why: string };
