import { ServingRefused } from '../errors';

/** An image by what it is: a registry's digest (can be pulled), or its id (is there, or comes out of an archive). */
export interface DockerImage {
  /** `name@sha256:…` or `sha256:…`. A tag is no identity: somebody may move it. */
  readonly reference: string;
  /** A file that `docker save` wrote, loaded where the engine does not have the image. */
  readonly archive: string | null;
}

/**
 * How a copy is run as a container; comes from the configuration of the host, never from an artifact. There is no
 * `privileged`, no host namespace but the network, no device and no path of the host but the artifact.
 */
export interface DockerTemplate {
  readonly image: DockerImage;
  /** Versions that need another image than the others. */
  readonly images: Readonly<Record<string, DockerImage>>;
  readonly entrypoint: readonly string[] | null;
  /** Arguments; `{artifact}`, `{port}`, `{instance}`, `{digest}` are replaced, in `env` as well. No shell. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** `user`, `uid` or `uid:gid`; null: the image's. */
  readonly user: string | null;
  /** `bridge` and other networks: the port is published; `host`: the copy listens at a port of the host itself. */
  readonly network: string;
  /** Port at which the server listens in its container; null on the network `host`, where it is given one. */
  readonly port: number | null;
  /** Where the verified artifact stands in the container, read-only; `{digest}` is the hex digest of its manifest. */
  readonly artifactPath: string;
  readonly memoryLimitBytes: number | null;
  readonly sharedMemoryBytes: number | null;
  readonly cpus: number | null;
  readonly gpus: 'all' | number | readonly string[] | null;
  /** Added again after all were dropped. */
  readonly capabilities: readonly string[];
  readonly readOnlyRoot: boolean;
  /** Paths in the container that are writable memory. */
  readonly tmpfs: readonly string[];
  /** A small init as process 1, which passes signals on: without it a server that handles none ignores SIGTERM. */
  readonly init: boolean;
  /** JSON file `{username, password, serveraddress}`, read at each pull. */
  readonly registryAuthFile: string | null;
}

export const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;
export const IMAGE_DIGEST = /^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$/;

const PLACEHOLDERS = ['artifact', 'port', 'instance', 'digest'] as const;
export type ContainerPlaceholders = Readonly<Record<(typeof PLACEHOLDERS)[number], string>>;

/** Refuses a template that could never serve, with the place. */
export function checkDockerTemplate(template: DockerTemplate): void {
  const problem = templateProblems(template)[0];
  if (problem !== undefined) throw new ServingRefused(`${problem.place}: ${problem.problem}`);
}

export function templateProblems(
  template: Pick<DockerTemplate, 'command' | 'entrypoint' | 'env' | 'network' | 'port'>,
): { readonly place: string; readonly problem: string }[] {
  const { command, entrypoint, env, network, port } = template;
  const found: { place: string; problem: string }[] = [];
  const texts = [
    ...command.map((text) => ['command', text] as const),
    ...(entrypoint ?? []).map((text) => ['entrypoint', text] as const),
    ...Object.entries(env).map(([name, text]) => [`env.${name}`, text] as const),
  ];
  const used = new Set<string>();
  for (const [place, text] of texts) {
    for (const [whole, name = ''] of text.matchAll(/\{(\w+)\}/g)) {
      used.add(name);
      if (!(PLACEHOLDERS as readonly string[]).includes(name)) {
        const known = PLACEHOLDERS.map((one) => `{${one}}`).join(', ');
        found.push({ place, problem: `found the placeholder ${whole}, expected one of ${known}` });
      }
    }
  }
  if (network === 'host' && port !== null)
    found.push({
      place: 'port',
      problem: 'found a port on the network host, where two copies could not both have it; expected {port} in command',
    });
  if (network === 'host' && !used.has('port'))
    found.push({
      place: 'command',
      problem: 'found no {port} in command, entrypoint or env; on the network host every copy is given its own port',
    });
  if (network !== 'host' && port === null)
    found.push({
      place: 'port',
      problem: 'is missing, expected the port at which the server listens in its container',
    });
  return found;
}

export function filled(text: string, values: ContainerPlaceholders): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => values[name as keyof ContainerPlaceholders] ?? whole);
}

export function imageOf({ image, images }: DockerTemplate, version: string): DockerImage {
  return Object.hasOwn(images, version) ? (images[version] ?? image) : image;
}
