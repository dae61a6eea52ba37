import type { ChaosWorld, SeenEntry } from '../../workers/chaos/world';
import type { ApiClient } from '../api-client';

const PAGE = 500;

/** One service through the controller's API, as an experiment sees it. */
export function apiWorld(client: ApiClient, service: string, consent: string | undefined): ChaosWorld {
  return {
    async look() {
      const { status, gateway } = await client.service(service);
      const record = gateway?.record ?? null;
      return { state: status?.state ?? null, observed: record && { epoch: record.epoch, primary: record.primary } };
    },
    async entries(afterSeq) {
      const found: SeenEntry[] = [];
      for (let after = afterSeq; ;) {
        const { entries } = await client.ledger(service, { after, limit: PAGE });
        found.push(
          ...entries.map(({ seq, at, kind, incident, summary, facts }) => ({
            seq,
            at,
            kind,
            incident,
            summary,
            facts,
          })),
        );
        const last = entries.at(-1);
        if (last === undefined || entries.length < PAGE) return found;
        after = last.seq;
      }
    },
    ledgerHead: async () => (await client.ledger(service, { newestFirst: true, limit: 1 })).head?.seq ?? 0,
    act: async (name, fields) => {
      const answer = await client.act(service, name, fields);
      if (!('until' in answer)) return answer;
      return { decision: 'refused', why: `${name} needs a second person`, reference: null };
    },
    record: async (entry) =>
      await client.recordChaos(service, { ...entry, ...(consent === undefined ? {} : { consent }) }),
    async chain() {
      const found = await client.verification(service);
      return { whole: found.ok, why: found.ok ? '' : JSON.stringify(found).slice(0, 300) };
    },
  };
}
