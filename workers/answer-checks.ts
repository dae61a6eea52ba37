import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AnswerBaselines, AnswerChecks, Embedder } from '../activities/ports';
import { directoryBaselines } from '../adapters/baselines/directory-baselines';
import { hashedEmbedder } from '../adapters/embedding/hashed';
import { joinedEmbedder } from '../adapters/embedding/joined';
import { onnxEmbedder } from '../adapters/embedding/onnx';
import { openAiEmbedder } from '../adapters/embedding/openai';
import {
  ConfigurationError,
  type Configuration,
  type EmbedderConfiguration,
  type ServiceConfiguration,
} from './configuration/configuration';

/** The checks of every service that is a language model, by its name. Models are loaded at their first text. */
export function openAnswerChecks(configuration: Configuration): (service: string) => AnswerChecks | null {
  const baselines = directoryBaselines(join(configuration.dataDir, 'answers'));
  const checks = new Map(configuration.services.map((service) => [service.name, checksOf(service, baselines)]));
  return (service) => checks.get(service) ?? null;
}

function checksOf({ model, semantic }: ServiceConfiguration, baselines: AnswerBaselines): AnswerChecks | null {
  if (semantic === null) return null;
  const { embedder, ...settings } = semantic;
  return { ...settings, model, baselines, embedder: openEmbedder(embedder) };
}

/** What sees meaning always has n-grams beside it, which see wording. */
export function openEmbedder(configured: EmbedderConfiguration): Embedder {
  switch (configured.kind) {
    case 'hashed':
      return hashedEmbedder();
    case 'onnx': {
      const { directory, packages } = configured;
      return joinedEmbedder(onnxEmbedder({ directory, ...(packages === null ? {} : { packages }) }), hashedEmbedder());
    }
    case 'openai': {
      const { address, model, apiKeyFile } = configured;
      const key = apiKeyFile === null ? {} : { apiKey: readKey(apiKeyFile) };
      return joinedEmbedder(openAiEmbedder({ address, model, ...key }), hashedEmbedder());
    }
  }
}

function readKey(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new ConfigurationError([`${file}: ${(error as Error).message}; semantic.embedder.apiKeyFile names it`]);
  }
}
