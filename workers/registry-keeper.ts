import type { Logger } from 'pino';
import type { Ledger } from '../activities/ports';
import type { Decisions } from '../api/ports';
import type { Move } from '../adapters/artifacts/registry/look';
import { moveWords } from '../adapters/artifacts/registry/look';
import type { LedgerEntry } from '../domain/ledger';
import type { Standing } from '../domain/version';
import type { Adapters } from './composition';
import type { Configuration, ServiceConfiguration } from './configuration/configuration';
import { whileLeading, type Leadership } from './leadership';
import { lookAtRegistry, type SyncReport } from './registry-sync';

export interface RegistryKeeper {
  readonly configuration: Configuration;
  readonly adapters: Adapters;
  readonly decisions: Decisions;
  readonly ledger: Pick<Ledger, 'append'>;
  readonly log: Logger;
  readonly leadership: Pick<Leadership, 'leads'>;
  readonly signal: AbortSignal;
}

/**
 * Beside the decisions, until the process ends: looks at the registry of each service that has one, so that the newest
 * validated versions are in the store before anybody needs them. What fails is logged and tried again at the next look;
 * nothing waits for it.
 */
export async function keepRegistries(keeper: RegistryKeeper): Promise<void> {
  const { configuration, signal } = keeper;
  await Promise.all(
    configuration.services.map(async (service) => {
      const { registry } = service;
      if (registry === null) return;
      await whileLeading(keeper.leadership, signal, async () => {
        await look(service, keeper);
        return registry.everyMs;
      });
    }),
  );
}

async function look({ name }: ServiceConfiguration, keeper: RegistryKeeper): Promise<void> {
  const { decisions, ledger, log, signal } = keeper;
  const standings = await standingsOf(decisions, name);
  try {
    const report = await lookAtRegistry(keeper, name, {
      signal,
      standings,
      onMoves: async (moves, at) => {
        for (const move of moves)
          await ledger
            .append(moveEntry(name, keeper.adapters.registries.of(name)?.where ?? 'registry', move, at))
            .catch((error: unknown) =>
              log.error({ service: name, move, err: error }, 'a move at the registry is not in the ledger'),
            );
      },
    });
    tell(name, report, log);
    if (report.pulled.length > 0) await decisions.artifactsChanged(name).catch(() => undefined);
  } catch (error) {
    if (!signal.aborted)
      log.warn({ service: name, err: error }, 'the registry was not looked at; its versions stay as they are here');
  }
}

function tell(service: string, report: SyncReport, log: Logger): void {
  const { moves, gone, back, pulled, refused, interrupted, validated, notes } = report;
  for (const { version, why } of refused) log.warn({ service, version, why }, 'a version of the registry was refused');
  for (const { version, why } of notes.failed)
    log.warn({ service, version, why }, 'a note was not written at the registry');
  if (interrupted !== null) log.warn({ service, why: interrupted }, 'the registry was not asked to the end');
  if (moves.length + gone.length + back.length + pulled.length > 0)
    log.info(
      { service, moves, gone, back, pulled: pulled.map(({ version }) => version), validated },
      'the registry was looked at',
    );
}

async function standingsOf(decisions: Decisions, service: string): Promise<ReadonlyMap<string, Standing> | null> {
  const status = await decisions.status(service).catch(() => null);
  return status === null ? null : new Map(status.state.versions.map(({ version, standing }) => [version, standing]));
}

/** Somebody promoted another version at the registry: recorded, and decides nothing. */
function moveEntry(service: string, where: string, move: Move, at: number): LedgerEntry {
  return {
    service,
    key: `registry/${move.alias}/${move.from ?? ''}/${move.to ?? ''}/${at}`,
    at,
    kind: 'foreign-change',
    incident: null,
    actor: { name: 'registry', proof: 'external', from: where },
    summary: `at the registry ${moveWords(move)}; what serves stays as it is`,
    facts: { what: 'registry', where, alias: move.alias, from: move.from, to: move.to },
  };
}
