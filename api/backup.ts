import type { FastifyInstance } from 'fastify';
import { chainQuery } from './bodies';
import type { ApiPorts } from './ports';
import { notFound, read } from './problem';
import { onlyLocal } from './rights';
import type { BackupOutline, ChainPage } from './types';

/** An entry takes at most 16 KiB. */
const pageRows = 500;

/** What `lastgood backup` reads through the one process that has the ledger open. */
export function registerBackup(app: FastifyInstance, { chains, health }: Pick<ApiPorts, 'chains' | 'health'>): void {
  if (chains === undefined) return;

  app.get('/v1/backup', { config: { needs: 'backUp' } }, async (request): Promise<BackupOutline> => {
    onlyLocal(request);
    const names = await chains.services();
    const heads = await Promise.all(names.map((service) => chains.head(service)));
    return {
      release: (await health()).version,
      chains: names.map((service, index) => ({ service, head: heads[index] ?? null })),
    };
  });

  app.get('/v1/backup/chains/:chain', { config: { needs: 'backUp' } }, async (request): Promise<ChainPage> => {
    onlyLocal(request);
    const { chain } = request.params as { chain: string };
    const { after, until } = read(chainQuery, request.query, 'query');
    if ((await chains.head(chain)) === null) throw notFound(`the ledger has no decision of "${chain}"`);
    return { rows: await chains.rows(chain, after, until, pageRows) };
  });
}
