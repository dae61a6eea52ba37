import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import type { DockerConnection } from '../../serving/docker/client';
import { servingCopySchema, type CopyControl } from './serving-copies';

/**
 * A process of its own: says that it counts, waits for the limit, and thaws what is still frozen. A copy that was thawed or
 * ended meanwhile is left alone, and so is whatever has its pid now.
 */
const inputSchema = z.strictObject({
  place: z.discriminatedUnion('how', [
    z.strictObject({ how: z.literal('process') }),
    z.strictObject({ how: z.literal('container'), connection: z.custom<DockerConnection>(), directory: z.string() }),
  ]),
  copies: z.array(servingCopySchema),
  limitMs: z.number().positive(),
});
type Input = z.infer<typeof inputSchema>;

async function main(): Promise<void> {
  const input = inputSchema.parse(JSON.parse(process.argv[2] ?? ''));
  const control = await controlOf(input);
  process.stdout.on('error', () => undefined);
  process.stdout.write('counting\n');
  await pause(input.limitMs);
  for (const copy of input.copies) await control.thaw(copy);
}

async function controlOf({ place }: Input): Promise<CopyControl> {
  if (place.how === 'container') return await (await import('./container-copies')).containerCopies(place);
  // The records of a copy's runtime stand in the copy itself.
  return (await import('./process-copies')).processCopies(() => '');
}

void main();
