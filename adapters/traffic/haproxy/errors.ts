/** Every fault of the HAProxy router. */
export class HaproxyError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** No connection, no whole answer in time: whether a command had its effect is not known. */
export class HaproxyUnreachable extends HaproxyError {}

/** The service is not one of those that this HAProxy routes. */
export class HaproxyServiceUnknown extends HaproxyError {}

/** HAProxy answered what its manual does not say, or refused a command; its own words are in the message. */
export class HaproxyAnswerRefused extends HaproxyError {}

/** Another writer began after this one: HAProxy itself refused the older change. Nothing of it is in force. */
export class HaproxyOvertaken extends HaproxyError {}

/** A file of ours that cannot be read or does not fit: the message names it. */
export class HaproxyFileBroken extends HaproxyError {}
