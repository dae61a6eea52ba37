import type { Entry, Facts } from '../types';
import { numberOf, recordOf, textOf } from './facts';

/** The versions that a decision weighed, with the figures that it weighed them by. */
export interface Considered {
  readonly order: string;
  readonly maxDistance: number | null;
  readonly versions: readonly ConsideredVersion[];
  /** Versions that did not fit into the entry. */
  readonly more: number;
  readonly noneFits: string | null;
}

export interface ConsideredVersion {
  readonly version: string;
  /** From 1; null: it may not be chosen. */
  readonly place: number | null;
  readonly why: string;
  readonly standing: string;
  readonly fit:
    | { readonly band: string; readonly distance: number; readonly field: string; readonly n: number }
    /** Why it is not known. */
    | string;
  readonly accuracy: number | null;
  readonly weakest: { readonly label: string; readonly recall: number } | null;
  readonly warm: boolean;
  readonly human: string | null;
  readonly lastGoodAt: number | null;
  readonly importedAt: number | null;
}

/** Of the newest entry that has it: a decision, a proposal, or that nobody may take over. Null in older ledgers. */
export function consideredOf(entries: readonly Entry[]): Considered | null {
  const entry = entries.findLast(({ facts }) => recordOf(facts, 'considered') !== null);
  const facts = entry ? recordOf(entry.facts, 'considered') : null;
  if (!facts) return null;
  const listed = facts['versions'];
  return {
    order: textOf(facts, 'order') ?? '?',
    maxDistance: numberOf(facts, 'maxDistance'),
    versions: Array.isArray(listed) ? listed.flatMap(versionOf) : [],
    more: numberOf(facts, 'more') ?? 0,
    noneFits: textOf(facts, 'noneFits'),
  };
}

function versionOf(value: unknown): ConsideredVersion[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  const facts = value as Facts;
  const fit = recordOf(facts, 'fit');
  const label = textOf(facts, 'weakest');
  return [
    {
      version: textOf(facts, 'version') ?? '?',
      place: numberOf(facts, 'place'),
      why: textOf(facts, 'why') ?? '',
      standing: textOf(facts, 'standing') ?? '?',
      fit: fit
        ? {
            band: textOf(fit, 'band') ?? '?',
            distance: numberOf(fit, 'distance') ?? NaN,
            field: textOf(fit, 'field') ?? '?',
            n: numberOf(fit, 'n') ?? 0,
          }
        : (textOf(facts, 'fit') ?? 'not-measured'),
      accuracy: numberOf(facts, 'accuracy'),
      weakest: label === null ? null : { label, recall: numberOf(facts, 'recall') ?? NaN },
      warm: facts['warm'] === true,
      human: textOf(facts, 'human'),
      lastGoodAt: numberOf(facts, 'lastGoodAt'),
      importedAt: numberOf(facts, 'importedAt'),
    },
  ];
}
