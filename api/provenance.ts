import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { VersionProof } from '../activities/ports';
import type { ChainedEntry } from '../domain/ledger';
import { isSettledBy, provenanceOf, type AnswerReason, type Provenance } from '../domain/provenance';
import { judgeEvaluation } from '../domain/service/standing';
import { provenanceQuery } from './bodies';
import type { ApiPorts } from './ports';
import { notFound, read } from './problem';
import type { ProvenanceView } from './types';

const pageEntries = 1_000;
/** Fifty thousand entries are years of one service. */
const pagesMax = 50;

type Ports = Pick<ApiPorts, 'ledger' | 'artifacts' | 'decisions'>;

/** Which version answered and by whose decision: what an auditor asks. */
export function registerProvenance(
  app: FastifyInstance,
  ports: Ports,
  serviceOf: (request: FastifyRequest) => string,
): void {
  app.get('/v1/services/:service/provenance', { config: { needs: 'look' } }, (request): Promise<ProvenanceView> => {
    const { at, version, reason = 'primary' } = read(provenanceQuery, request.query, 'query');
    return viewProvenance(ports, serviceOf(request), at, version === undefined ? null : { version, reason });
  });

  app.get(
    '/v1/services/:service/versions/:version/proof',
    { config: { needs: 'look' } },
    async (request): Promise<VersionProof> => {
      const service = serviceOf(request);
      const { version } = request.params as { version: string };
      const proof = await ports.artifacts.proof(service, version);
      if (proof === null) throw notFound(`${service}@${version} is not in the artifact store, or not intact there`);
      return proof;
    },
  );
}

async function viewProvenance(
  ports: Ports,
  service: string,
  at: number,
  answered: { readonly version: string; readonly reason: AnswerReason } | null,
): Promise<ProvenanceView> {
  const { provenance, whole } = await readProvenance(ports, service, at, answered);
  const notKnown = whole ? [] : [`what lies more than ${pagesMax * pageEntries} entries back was not read`];
  const { version, judged } = provenance;
  if (version === null) return { ...provenance, evaluation: null, notKnown };
  const [proof, status, stored] = await Promise.all([
    ports.artifacts.proof(service, version).catch(() => null),
    ports.decisions.status(service).catch(() => null),
    ports.artifacts.list(service).catch(() => []),
  ]);
  if (proof === null)
    notKnown.push(`the artifact store has no intact ${version}: its evaluation report cannot be shown`);
  else if (judged !== null && judged.digest !== proof.digest)
    notKnown.push(`the artifact store has another ${version} today (${proof.digest}) than the one that was judged`);
  if (status === null) notKnown.push("the policy's thresholds: who decides does not answer");
  const info = stored.find((one) => one.version === version);
  const policy = status?.state.policy ?? null;
  return {
    ...provenance,
    evaluation: proof && {
      manifest: proof.digest,
      report: proof.evaluation && { path: proof.evaluation.path, digest: proof.evaluation.digest },
      summary: info?.evaluation ?? null,
      today: policy && info ? { ...policy.validated, ...judgeEvaluation(info, policy) } : null,
    },
    notKnown,
  };
}

/** Back from the moment, page by page, until nothing earlier could change the answer. */
async function readProvenance(
  { ledger }: Ports,
  service: string,
  at: number,
  answered: Parameters<typeof provenanceOf>[3],
): Promise<{ provenance: Provenance; whole: boolean }> {
  const acts = await ledger.read(service, {
    kinds: ['operator-act'],
    untilMs: at,
    newestFirst: true,
    limit: pageEntries,
  });
  let entries: ChainedEntry[] = (
    await ledger.read(service, { untilMs: at, newestFirst: true, limit: pageEntries })
  ).toReversed();
  for (let page = 1; ; page += 1) {
    const first = entries[0]?.seq ?? 1;
    // A person may have vouched long before.
    const older = acts.filter(({ seq }) => seq < first).toReversed();
    const provenance = provenanceOf(service, at, [...older, ...entries], answered);
    const whole = isSettledBy(provenance, entries);
    if (whole || page >= pagesMax) return { provenance, whole };
    const afterSeq = Math.max(0, first - 1 - pageEntries);
    entries = [...(await ledger.read(service, { afterSeq, limit: first - 1 - afterSeq })), ...entries];
  }
}
