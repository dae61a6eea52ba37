import type { Actor } from './ledger';
import type { MessageName } from './service/messages';

/** Who may do what (design, section 10). A person may have several; each is a set of rights, none contains another. */
export const roles = ['viewer', 'releaser', 'operator', 'breaker-clearer', 'admin'] as const;
export type Role = (typeof roles)[number];

/** What the controller's interface can be asked for: the messages of the contract, and what goes past the service workflow. */
export type Right =
  | Exclude<MessageName, 'configure'>
  /** Status, ledger, versions, answers; no sample of an input. */
  | 'look'
  | 'import'
  | 'prune'
  /** Everything that a backup holds, and writing down that one was put back. */
  | 'backUp'
  | 'invalidateCaches'
  /** Lists of items by their ids, orders about them, and signing them off. */
  | 'treatItems'
  /** Faults are made on purpose. */
  | 'runChaos'
  /** Labels, values of metrics, reports of other tools: what detection measures by. */
  | 'observe'
  /** The watchdog's word on a time in which nobody decided. */
  | 'tellBlindness';

const table: { readonly [right in Right]: readonly Role[] } = {
  look: ['viewer', 'releaser', 'operator', 'breaker-clearer'],
  deploy: ['releaser'],
  import: ['releaser'],
  pause: ['releaser', 'operator'],
  cancel: ['releaser', 'operator'],
  resume: ['operator'],
  rollback: ['operator'],
  drill: ['operator'],
  approve: ['operator'],
  intervene: ['operator'],
  setMode: ['operator'],
  vouch: ['operator'],
  revoke: ['operator'],
  clearBreaker: ['breaker-clearer'],
  clearQuarantine: ['breaker-clearer'],
  observe: ['operator'],
  invalidateCaches: ['operator'],
  treatItems: ['operator'],
  runChaos: ['operator'],
  prune: [],
  detach: [],
  backUp: [],
  tellBlindness: [],
};

export const rights = Object.keys(table) as readonly Right[];

/** Roles that have the right; `admin` has every one. */
export function rolesWith(right: Right): readonly Role[] {
  return [...table[right], 'admin'];
}

export function hasRight(held: readonly Role[], right: Right): boolean {
  return rolesWith(right).some((role) => held.includes(role));
}

export function rightsOf(held: readonly Role[]): Right[] {
  return rights.filter((right) => hasRight(held, right));
}

/** Where a service is regulated, these take a brake away and need a second person. */
const secondPersonActs: readonly string[] = ['clearBreaker', 'revoke', 'clearQuarantine', 'detach'];

export function needsSecondPerson(policy: { readonly regulated?: boolean }, act: string): boolean {
  return policy.regulated === true && secondPersonActs.includes(act);
}

/** The token of the data directory opens for whoever can read it: there is no person behind it. */
export const sharedTokenName = 'api-token';

export function isShared({ name, proof }: Actor): boolean {
  return proof === 'token' && name === sharedTokenName;
}
