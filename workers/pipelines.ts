import { readFileSync } from 'node:fs';
import type { ModelCalls, Pipeline, Pipelines } from '../activities/ports';
import { gatewayRecordPipeline } from '../adapters/pipelines/gateway-record';
import { modelCalls } from '../adapters/pipelines/model-calls';
import { postgresPipeline } from '../adapters/pipelines/postgres';
import { redisPipeline } from '../adapters/pipelines/redis';
import { webhookPipeline } from '../adapters/pipelines/webhook';
import type { Adapters } from './composition';
import { serviceNamed, type Configuration } from './configuration/configuration';
import type { PipelineConfiguration } from './configuration/pipelines-schema';
import type { RunPaths } from './embedded/paths';
import type { Environment } from './environment';
import { postgresOptions } from './ledger';

type Closing = Pipeline & { close(): Promise<void> };

/** The pipelines of the configuration; nothing is connected to before it is asked for. */
export function openPipelines(
  configuration: Configuration,
  adapters: Pick<Adapters, 'router' | 'engineOf'>,
  environment: Environment,
  paths: Pick<RunPaths, 'gatewayControl'>,
): Pipelines & { close(): Promise<void> } {
  const models = modelCalls({
    router: adapters.router,
    engine: adapters.engineOf,
    model: (service) => serviceNamed(configuration, service)?.model ?? service,
    timeoutMs: (service) => serviceNamed(configuration, service)?.requestMaxMs ?? 60_000,
  });
  const opened = new Map<string, Closing>();
  return {
    of(service, name) {
      const key = `${service}/${name}`;
      const known = opened.get(key);
      if (known) return known;
      const configured = serviceNamed(configuration, service)?.pipelines.find((one) => one.name === name);
      if (!configured) return null;
      const place = `${configuration.file}: services.${service}.pipelines.${name}`;
      const pipeline = open(configured, { models, environment, place, service, control: paths.gatewayControl });
      opened.set(key, pipeline);
      return pipeline;
    },
    close: async () => {
      await Promise.all([...opened.values()].map((one) => one.close()));
    },
  };
}

interface Around {
  readonly models: ModelCalls;
  readonly environment: Environment;
  readonly place: string;
  readonly service: string;
  readonly control: RunPaths['gatewayControl'];
}

function open(configured: PipelineConfiguration, { models, environment, place, service, control }: Around): Closing {
  const { unit, concurrency } = configured;
  switch (configured.kind) {
    case 'postgres': {
      const { schema: _schema, ...connection } = postgresOptions(configured.database, environment, `${place}.database`);
      const { source, sink, flush, marks } = configured;
      return postgresPipeline({ ...connection, source, sink, flush, marks, concurrency, models, unit });
    }
    case 'webhook': {
      const { url, tokenFile, honoursKey, timeoutMs } = configured;
      const token = tokenFile !== null && { token: () => readFileSync(tokenFile, 'utf8').trim() };
      return webhookPipeline({ url, ...token, honoursKey, timeoutMs, concurrency, models, unit });
    }
    case 'redis': {
      const { kind: _kind, name: _name, ...source } = configured;
      return redisPipeline({ ...source, models });
    }
    case 'gateway-record':
      return gatewayRecordPipeline({ address: control, service });
  }
}
