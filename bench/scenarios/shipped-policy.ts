import type { ServicePolicy } from '../../domain/policy';
import { policySchema, resolvePolicy } from '../../workers/configuration/policy-schema';

/** The policy of a service that declares nothing. */
export function shippedPolicy(): ServicePolicy {
  return resolvePolicy(policySchema.parse({}), {
    sessionMaxLifetimeMs: 0,
    changes: 'lastgood',
    onForeignQuarantined: 'alarm',
    unverifiedOperators: 'refuse',
  });
}
