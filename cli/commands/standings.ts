import type { Context } from '../context';
import { exitCodes } from '../exit-codes';
import { CliFailure } from '../failure';

type View = Awaited<ReturnType<ReturnType<Context['client']>['services']>>[number];
type Standing = NonNullable<View['status']>['state']['versions'][number]['standing'];

/** Service → version → standing; null while nobody can say. */
export async function standings(
  context: Context,
  services: readonly string[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, Standing>> | null> {
  try {
    const views = await context.client().services();
    if (views.some(({ service, status }) => services.includes(service) && !status)) return null;
    return new Map(
      views.map(({ service, status }) => [
        service,
        new Map((status?.state.versions ?? []).map((facts) => [facts.version, facts.standing])),
      ]),
    );
  } catch (error) {
    if (error instanceof CliFailure && error.exitCode === exitCodes.unreachable) return null;
    throw error;
  }
}
