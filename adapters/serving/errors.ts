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

/** The Docker engine does not answer, or not to us: it restarts, is not there, its socket may not be opened, TLS fails. */
export class DockerUnreachable extends ServingError {}

/** The Docker engine refuses what it was asked, with its own words: the same again is refused again. */
export class DockerRefused extends ServingError {
  constructor(
    message: string,
    readonly status: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The Docker engine failed, with its own words: it may pass. */
export class DockerFault extends ServingError {}

/** No room is left where the Docker engine keeps images and containers. Nothing is left half made. */
export class DockerDiskFull extends ServingError {}

/** The image is not at the engine and cannot be brought there, or what came is another one. */
export class ImageUnavailable extends ServingError {}
