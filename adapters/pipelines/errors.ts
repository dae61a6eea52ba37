/** Every fault of a pipeline. */
export class PipelineError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** It is not there, or does not answer in time: asked again later. */
export class PipelineUnreachable extends PipelineError {}

/** It answers and cannot do this: a table, a right, a column, an address. Asked again it says the same until that is changed. */
export class PipelineRefused extends PipelineError {}

/** Nobody answers for the model, or it asks for patience. */
export class ModelUnavailable extends PipelineError {}

/** The version that answers is the one whose items are to be redone. */
export class RedoneByDegraded extends PipelineError {}

/** One id stands for two items: which of them a key would mean is not known, so neither is touched. */
export const ITEM_TWICE = 'PipelineItemTwice: the id occurs more than once';
