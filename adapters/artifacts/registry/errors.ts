/** Every fault of a registry. Its message has the registry's own words. */
export class RegistryError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** No connection, no whole answer in time, or it cannot answer now: may go well the next time. */
export class RegistryUnreachable extends RegistryError {}

/** It answered, and will not do it: no right, no such route, not what a registry would say. */
export class RegistryAnswerRefused extends RegistryError {}

/** It has no such model, version, alias or object. */
export class RegistryMissing extends RegistryError {}

/** The disk here has no room for a version; nothing was kept of it. */
export class RegistryNoRoom extends RegistryError {}

/** What it has of a version cannot be taken; nothing was kept of it. */
export class RegistryVersionRefused extends RegistryError {}

/** It answers, and so slowly that a version would never be here; another version may still come. */
export class RegistryTooSlow extends RegistryError {}
