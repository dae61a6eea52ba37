/** The gateway was given something that it cannot start with: a configuration, a listen address, a data directory. */
export class GatewayConfigError extends Error {
  override readonly name = 'GatewayConfigError';
}

/** The gateway's own database refused to work: locked by another process, full or damaged. */
export class GatewayStorageError extends Error {
  override readonly name = 'GatewayStorageError';
}
