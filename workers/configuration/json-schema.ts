import { z } from 'zod';
import { configurationSchema } from './schema';

/** `lastgood.yaml` as a JSON Schema for editors: what people write, with the shipped values as defaults. */
export function configurationJsonSchema(): object {
  const schema = z.toJSONSchema(configurationSchema, { io: 'input', target: 'draft-7', unrepresentable: 'any' });
  return {
    ...schema,
    title: 'lastgood.yaml',
    description: 'Configuration of lastgood; durations such as 30m, sizes such as 1MiB.',
  };
}
