import { printable } from '../paths';
import { RegistryVersionRefused } from '../registry/errors';

const SCHEME = 'mlflow-artifacts:';

/**
 * Where in MLflow's artifact store an address stands, such as `1/models/m-…/artifacts` of
 * `mlflow-artifacts:/1/models/m-…/artifacts`.
 * @throws RegistryVersionRefused for what the server does not serve itself: no address of a peer is followed
 */
export function artifactPath(what: string, uri: string): string {
  if (!uri.startsWith(`${SCHEME}/`))
    throw new RegistryVersionRefused(
      `${what}: its files are at ${printable(uri)}, which lastgood does not read; only what MLflow serves itself (${SCHEME}/…, \`mlflow server --serve-artifacts\`)`,
    );
  const path = uri.slice(SCHEME.length);
  const [, host] = /^\/\/([^/]+)\//.exec(path) ?? [];
  if (host !== undefined)
    throw new RegistryVersionRefused(
      `${what}: its files are at another server, ${printable(host)}, which is not followed`,
    );
  const parts = path.split('/').filter((part) => part !== '');
  if (parts.length === 0 || parts.some((part) => part === '.' || part === '..' || part.includes('\\')))
    throw new RegistryVersionRefused(`${what}: its files are at ${printable(uri)}, expected a folder of the store`);
  return parts.join('/');
}

/** One entry of a listing: a name in the folder that was asked for, and nothing else. */
export function entryName(what: string, name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name))
    throw new RegistryVersionRefused(
      `${what}: the registry lists ${printable(name)}, expected the name of a file in the folder that was asked for`,
    );
  return name;
}

/** For an address: each part encoded, so that none ends the path or begins another. */
export function encodedPath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
