import { benjaminiHochberg } from '../detection/benjamini-hochberg';
import { checkField, checkWhole, RECENT_MIN, type CheckResult, type InputCheck } from './field-checks';
import { isDerived, ownerOf, PATHS_MAX, type ReducedInput } from './input-fields';
import type { InputProfile } from './input-profile';

/** A profile of fewer inputs is no baseline. */
export const PROFILE_MIN = 100;

/** Of all fields that are said to differ at most this part differs by chance. */
const FALSE_DISCOVERY = 0.01;

export type ProfileComparison =
  | { readonly kind: 'unmeasured'; readonly why: string }
  | {
      readonly kind: 'compared';
      /** The clearest difference of each field that differs, the most certain field first. */
      readonly different: readonly CheckResult[];
      /** Fields that were asked. */
      readonly asked: number;
      /** Fields whose values are redacted: nothing is known of them. */
      readonly redacted: readonly string[];
    };

/** What a reader wants to hear first: a wrong type explains a strange range, a range a distance. */
const ORDER: Readonly<Record<InputCheck, number>> = {
  unreadable: 0,
  type: 1,
  missing: 2,
  unexpected: 3,
  category: 4,
  range: 5,
  distance: 6,
};

/**
 * Recent inputs against a profile. A difference must be more than chance (false discoveries over all checks of all
 * fields held at 1 % by Benjamini and Hochberg's procedure) **and** large enough to matter ({@link CheckResult.limit}).
 */
export function compareInputs(profile: InputProfile, recent: readonly ReducedInput[]): ProfileComparison {
  if (profile.inputs < PROFILE_MIN)
    return { kind: 'unmeasured', why: `only ${profile.inputs} inputs to compare with, ${PROFILE_MIN} needed` };
  if (recent.length < RECENT_MIN)
    return { kind: 'unmeasured', why: `only ${recent.length} inputs sampled since, ${RECENT_MIN} needed` };
  const fields = Object.entries(profile.fields);
  const redacted = fields.filter(([, field]) => field.redacted > 0).map(([path]) => path);
  const checks = [
    ...checkWhole(profile, recent, fields.length < PATHS_MAX),
    ...fields.flatMap(([path, field]) =>
      checkField(path, field, profile, recent).filter(({ check }) => !isDerived(path) || check === 'distance'),
    ),
  ].filter(({ n }) => n >= RECENT_MIN);
  const { rejected } = benjaminiHochberg(
    checks.map(({ p }) => p),
    FALSE_DISCOVERY,
  );
  const beyond = checks.filter(({ observed, limit }, at) => rejected[at] === true && observed > limit);
  const first = new Map<string, CheckResult>();
  for (const check of beyond.sort((left, right) => ORDER[left.check] - ORDER[right.check]))
    if (!first.has(ownerOf(check.field))) first.set(ownerOf(check.field), check);
  const different = [...first.values()].sort(
    (left, right) => left.p - right.p || ORDER[left.check] - ORDER[right.check],
  );
  return { kind: 'compared', different, asked: fields.length - redacted.length, redacted };
}
