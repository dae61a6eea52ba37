/** Every fault of a serving runtime or an engine. */
export class ServingError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** No connection, a reset, or no whole answer within the time: nothing is known of the instance. */
export class EngineUnreachable extends ServingError {}

/** The answer is not what the protocol says, or longer than allowed. */
export class EngineAnswerRefused extends ServingError {}

/** The copy ended, or reported no address in time; the log tail says why. */
export class InstanceFailed extends ServingError {
  constructor(
    message: string,
    readonly logTail: string,
  ) {
    super(message);
  }
}

/** The runtime cannot do this at all: wrong configuration, wrong system, a version it does not know. */
export class ServingRefused extends ServingError {}
