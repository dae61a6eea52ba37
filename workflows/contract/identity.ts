/** By which means an identity is known, in words, for the CLI. */
export { identityWords } from '../../domain/observed-serving';
