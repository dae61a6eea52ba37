import { createHash } from 'node:crypto';
import type { Attachment } from '../../workers/audit/bundle';
import type { ApiClient } from '../api-client';
import { exitCodes } from '../exit-codes';
import { CliFailure } from '../failure';
import type { Entry } from '../types';

export interface Attached {
  readonly attachments: readonly Attachment[];
  /** What the entries name and could not be had. */
  readonly absent: readonly string[];
}

const listPartsMax = 10_000;

/** What the entries of a span name, through the interface of the controller; each is checked against its digest. */
export async function attachmentsOf(client: ApiClient, service: string, entries: readonly Entry[]): Promise<Attached> {
  const { referencesOf } = await import('../../workers/audit/references');
  const { pictures, lists, versions } = referencesOf(entries);
  const found = new Map<string, Attachment>();
  const absent: string[] = [];
  const take = (one: Attachment): boolean => {
    const genuine = `sha256:${createHash('sha256').update(one.text).digest('hex')}` === one.digest;
    if (genuine) found.set(`${one.kind} ${one.digest}`, one);
    else absent.push(`${one.kind} of ${one.of} ${one.digest}: what is kept under that name has another digest`);
    return genuine;
  };
  const attempt = async (what: string, fetch: () => Promise<void>): Promise<void> => {
    try {
      await fetch();
    } catch (error) {
      if (!(error instanceof CliFailure)) throw error;
      // Gone, changed, no right to it: told in the bundle. A controller that is away ends the export.
      if (error.exitCode === exitCodes.unreachable) await client.me();
      absent.push(`${what}: ${error.what}`);
    }
  };
  for (const { incident, digest } of pictures)
    await attempt(`picture of ${incident} ${digest}`, async () => {
      take({ kind: 'picture', of: incident, digest, text: await client.chart(service, incident, digest) });
    });
  for (const { incident, digest } of lists) {
    let next: string | null = digest;
    for (let part = 0; next !== null && part < listPartsMax && !found.has(`list ${next}`); part += 1) {
      const name: string = next;
      next = null;
      await attempt(`list of ${incident} ${name}`, async () => {
        const text = await client.itemList(service, incident, name);
        if (take({ kind: 'list', of: incident, digest: name, text })) next = previousOf(text);
      });
    }
  }
  for (const { version, digest } of versions) {
    const proof = await client.versionProof(service, version);
    const said = digest ?? '';
    if (proof === null) absent.push(`manifest of ${version} ${said}: not (any more) intact in the artifact store`);
    else if (digest !== null && proof.digest !== digest)
      absent.push(`manifest of ${version} ${said}: the artifact store has ${proof.digest} under that name`);
    else if (take({ kind: 'manifest', of: version, digest: proof.digest, text: proof.manifest })) {
      const { evaluation } = proof;
      if (evaluation === null) absent.push(`evaluation report of ${version}: the version has none that is intact`);
      else take({ kind: 'evaluation', of: version, digest: evaluation.digest, text: evaluation.text });
    }
  }
  return { attachments: [...found.values()], absent };
}

/** A list is kept in parts; each names the one before it in its first line. */
function previousOf(text: string): string | null {
  const { previous } = JSON.parse(text.slice(0, text.indexOf('\n'))) as { previous?: unknown };
  return typeof previous === 'string' ? previous : null;
}
