import type { ServiceConfiguration } from '../../workers/configuration/configuration';
import { fine, messageOf, wrong, type Finding } from './finding';

/** A local model is loaded for it. */
const LIMIT_MS = 30_000;

/** Embeds one word, for a service whose answers are compared. */
export async function askEmbedder({ name, semantic }: ServiceConfiguration): Promise<Finding[]> {
  if (semantic === null) return [];
  const what = `${name}: embedder`;
  const { openEmbedder } = await import('../../workers/answer-checks');
  try {
    const { by, vectors } = await openEmbedder(semantic.embedder).embed(['word'], AbortSignal.timeout(LIMIT_MS));
    return [fine(what, `${by}, ${vectors[0]?.length ?? 0} dimensions`)];
  } catch (error) {
    return [wrong(what, messageOf(error), 'see services.NAME.semantic.embedder; until then drift is unmeasured')];
  }
}
