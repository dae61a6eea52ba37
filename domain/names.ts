/**
 * A name that may become a key of an object must not be one that every object has: `backends['constructor']` would be
 * there although nobody wrote it.
 */
const INHERITED = 'constructor|toString|valueOf|hasOwnProperty|isPrototypeOf|propertyIsEnumerable|toLocaleString';

/** Name of a version: letters, digits, `. _ + -`. */
export const VERSION_NAME = new RegExp(`^(?!(?:${INHERITED})$)[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`);

/** Name of a service: lower-case letters, digits and hyphens. */
export const SERVICE_NAME = /^(?!constructor$)[a-z0-9][a-z0-9-]{0,62}$/;
