import { RegistryProxy, type Endpoint } from '../../adapters/faults/local/registry-proxy';
import type { Configuration } from '../configuration/configuration';
import { runPaths } from '../embedded/paths';
import { makePrivateDirectory } from '../files';
import { chaosProxySocket } from './proxy-socket';

export type { RegistryProxy };

/** The proxy of a name; it is ordered over a socket beside those of the installation. */
export async function startChaosProxy(
  configuration: Configuration,
  { name, listen, upstream }: { readonly name: string; readonly listen: Endpoint; readonly upstream: Endpoint },
): Promise<RegistryProxy> {
  const paths = runPaths(configuration.dataDir);
  makePrivateDirectory(paths.socketDir);
  return await RegistryProxy.start({ listen, upstream, controlPath: chaosProxySocket(paths, name) });
}
