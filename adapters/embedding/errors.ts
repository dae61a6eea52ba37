/** Every fault of an embedder. */
export class EmbeddingError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A package or the model's files are not there, or cannot be used; the message says what to do. */
export class EmbedderMissing extends EmbeddingError {}

/** No connection, or no whole answer in time. */
export class EmbedderUnreachable extends EmbeddingError {}

/** What came back are no embeddings of the texts that were sent. */
export class EmbeddingRefused extends EmbeddingError {}
