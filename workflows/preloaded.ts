import { ed25519 } from '@noble/curves/ed25519';

/*
 * Loaded once for all workflows of a worker, before the first of them (`preloadModules` of the bundle), and frozen: a
 * library that keeps no state of a workflow. Without it the first signature of each new workflow costs the 60 ms in
 * which the curve's tables are computed, on the thread that all workflows share. Not for zod: its settings are written
 * when the first schema is made.
 */

/** RFC 8032, 7.1, test 1: the empty message. Makes the tables, and shows that the arithmetic holds here. */
const KEY = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
const SIGNATURE =
  'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155' +
  '5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b';

if (!ed25519.verify(SIGNATURE, new Uint8Array(), KEY))
  throw new Error('Ed25519 does not compute RFC 8032, 7.1, test 1');
