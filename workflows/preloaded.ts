import { ed25519 } from '@noble/curves/ed25519';
import { z } from 'zod';

/**
 * Loaded once by a worker, before any workflow: libraries without a state of their own, and what workflows have in common.
 * Exported, or the bundler would leave out what nobody here uses. The SDK freezes the exports to their depths, so nothing
 * that is made with these libraries is among them, and a pattern of `domain` that a schema uses is copied first.
 */
export { shared } from './contract/shared';
export { ed25519 };

/**
 * The first schema sets up what all have in common; after the freeze it could not. `z` itself is not exported: it would
 * bring its messages in every language along.
 */
export const isReady = z.object({ first: z.string() }).safeParse({}).success ? 'yes' : 'ready';

/** RFC 8032, 7.1, test 1: the empty message. */
const KEY = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
const SIGNATURE =
  'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155' +
  '5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b';

/** The first signature costs the 60 ms in which the curve's tables are made, on the thread that all workflows share. */
if (!ed25519.verify(SIGNATURE, new Uint8Array(), KEY))
  // eslint-disable-next-line no-restricted-syntax -- before any workflow: it ends the start of the worker
  throw new Error('Ed25519 does not compute RFC 8032, 7.1, test 1');
