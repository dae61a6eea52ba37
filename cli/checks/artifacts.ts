import type { Configuration } from '../../workers/configuration/configuration';
import { fine, warning, type Finding } from './finding';

/**
 * Who may sign, which formats are let in, and which servers load from elsewhere than the verified directory. A key that
 * cannot be used is found here and not at the first import: rejects with ConfigurationError.
 */
export async function artifactFindings(configuration: Configuration): Promise<Finding[]> {
  const { signature, allowFormats } = configuration.artifacts;
  const findings = allowFormats.map((format) =>
    warning(
      'artifacts.allowFormats',
      `${format} may run code of its author when it is loaded`,
      'convert to safetensors',
    ),
  );
  for (const { name, serving } of configuration.services) {
    if (serving.runtime !== 'process' || serving.command.some((word) => word.includes('{artifact}'))) continue;
    const said = 'has no {artifact}: what was verified is not what the server loads; only what it reports can tell';
    findings.push(warning(`services.${name}.serving.command`, said, 'give the server {artifact} as its directory'));
  }
  if (signature === null) return findings;
  const { signingKeys } = await import('../../workers/artifact-store');
  const keys = signingKeys(configuration).map(({ name, fingerprint }) => `${name} (${fingerprint.slice(0, 12)}…)`);
  return [...findings, fine('artifacts.signature', `${signature.policy}; keys: ${keys.join(', ')}`)];
}
