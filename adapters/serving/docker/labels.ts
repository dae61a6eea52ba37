import type { Inspection } from './inspection';

/**
 * What lastgood writes on its containers. Labels cannot be changed after the creation of a container, so they are the
 * record of the instance; the name of a container decides nothing.
 */
export const label = {
  /** Random id of the data directory that started it: another installation has another one. */
  owner: 'lastgood.owner',
  service: 'lastgood.service',
  version: 'lastgood.version',
  instance: 'lastgood.instance',
  /** Digest of the version that it serves. */
  digest: 'lastgood.digest',
  /** Id of the image that it was made of. */
  image: 'lastgood.image',
  /** One run of the instance; names its evidence. */
  nonce: 'lastgood.nonce',
  /** Port that it was told to listen at on the host's own network. */
  port: 'lastgood.port',
} as const;

export interface OwnLabels {
  readonly service: string;
  readonly version: string;
  readonly instance: string;
  readonly digest: string;
  readonly image: string;
  readonly nonce: string;
  readonly port: number | null;
}

export function labelsOf(owner: string, own: OwnLabels): Record<string, string> {
  return {
    [label.owner]: owner,
    [label.service]: own.service,
    [label.version]: own.version,
    [label.instance]: own.instance,
    [label.digest]: own.digest,
    [label.image]: own.image,
    [label.nonce]: own.nonce,
    ...(own.port === null ? {} : { [label.port]: String(own.port) }),
  };
}

/** Ours only when its owner is this data directory, every label is there, and it runs the image that they name. */
export function belonging(
  owner: string,
  { Config: { Labels }, Image }: Inspection,
): { readonly is: 'ours'; readonly labels: OwnLabels } | { readonly is: 'foreign'; readonly why: string } {
  const labels = Labels ?? {};
  const theirs = labels[label.owner];
  if (theirs === undefined) return { is: 'foreign', why: `it has no label ${label.owner}; it is left alone` };
  if (theirs !== owner)
    return {
      is: 'foreign',
      why: `another installation of lastgood owns it (${theirs.slice(0, 12)}); it is left alone`,
    };
  const [service, version, instance, digest, image, nonce] = [
    labels[label.service],
    labels[label.version],
    labels[label.instance],
    labels[label.digest],
    labels[label.image],
    labels[label.nonce],
  ];
  if (!service || !version || !instance || !digest || !image || !/^[0-9a-f]{32}$/.test(nonce ?? ''))
    return { is: 'foreign', why: 'some of its labels are missing or no labels of ours; it is left alone' };
  if (image !== Image)
    return { is: 'foreign', why: `its labels name the image ${image}, it runs ${Image}; it is left alone` };
  const port = labels[label.port];
  const own = { service, version, instance, digest, image, nonce: nonce ?? '' };
  return { is: 'ours', labels: { ...own, port: port === undefined ? null : Number(port) } };
}
