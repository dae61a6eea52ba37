import { z } from 'zod';

/**
 * Loaded once by a worker, before any workflow: libraries without a state of their own, and what workflows have in common.
 * Exported, or the bundler would leave out what nobody here uses. The SDK freezes the exports to their depths, so nothing
 * that is made with these libraries is among them, and a pattern of `domain` that a schema uses is copied first.
 */
export { ed25519 } from '@noble/curves/ed25519';
export { shared } from './contract/shared';

/**
 * The first schema sets up what all have in common; after the freeze it could not. `z` itself is not exported: it would
 * bring its messages in every language along.
 */
export const isReady = z.object({ first: z.string() }).safeParse({}).success ? 'yes' : 'ready';
