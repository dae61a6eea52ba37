import type { Configuration } from '../../workers/configuration/configuration';
import { warning, type Finding } from './finding';

/** Usual changes of inputs stay far below; above it every version would fit. PSI. */
const usualDistanceMax = 2;

/** What a policy asks for and this configuration can never give. */
export function policyFindings({ router, services }: Configuration): Finding[] {
  return services.flatMap(({ name, samples, policy: { target } }) => {
    if (target?.order !== 'closest-profile') return [];
    const key = `services.${name}.policy.target`;
    const findings: Finding[] = [];
    const off = samples.share === 0 || samples.maxCount === 0;
    if (off || router.kind === 'haproxy')
      findings.push(
        warning(
          `${key}.order`,
          `closest-profile, and no profile can be compared: ${off ? 'samples are off' : 'HAProxy keeps no inputs'}`,
          off ? `set services.${name}.samples.share, or another order` : 'choose another order, or router gateway',
        ),
      );
    if (target.maxDistance > usualDistanceMax)
      findings.push(
        warning(
          `${key}.maxDistance`,
          `${target.maxDistance} is above every usual PSI, so every version would fit`,
          'set it between 0.1 and 1; the default is 0.25',
        ),
      );
    return findings;
  });
}
