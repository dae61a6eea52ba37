import { ApplicationFailure, CancelledFailure, CompleteAsyncError } from '@temporalio/activity';

/**
 * The only place that makes an `ApplicationFailure` outside workflows. Adapters throw classes of their own; their name
 * becomes the failure's type, and what would fail the same way again is not repeated.
 */
const permanent = new Set([
  'AddressRefused',
  'AlertSinkMisconfigured',
  'ArtifactCorrupt',
  'ArtifactMissing',
  'ArtifactRefused',
  'CacheRefused',
  'CacheUnknown',
  'DockerDiskFull',
  'DockerRefused',
  'EvidenceChanged',
  'EvidenceRefused',
  'EmbedderMissing',
  'ImageUnavailable',
  'LedgerConflict',
  'LedgerCorrupt',
  'LedgerEntryInvalid',
  'LedgerEntryTooLarge',
  'LedgerSchemaUnknown',
  'PipelineRefused',
  'PipelineUnknown',
  'ItemListMissing',
  'ServingRefused',
]);

/** The message of an adapter may quote what another system sent. */
const messageLimit = 1_000;

export function toFailure(error: unknown): Error {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error;
  if (error instanceof CompleteAsyncError) return error;
  // A wait that was given up because the call was cancelled: the SDK tells it as cancelled, and not as a failure to repeat.
  if (error instanceof Error && error.name === 'AbortError') return error;
  const cause = error instanceof Error ? error : new Error(String(error));
  return ApplicationFailure.create({
    type: cause.name,
    message: cause.message.slice(0, messageLimit),
    nonRetryable: permanent.has(cause.name),
  });
}

/** The same activities, with every error as a failure that says its type. */
export function guarded<A extends object>(activities: A): A {
  const entries = Object.entries(activities) as [string, (...args: unknown[]) => Promise<unknown>][];
  return Object.fromEntries(
    entries.map(([name, run]) => [
      name,
      async (...args: unknown[]): Promise<unknown> => {
        try {
          return await run(...args);
        } catch (error) {
          throw toFailure(error);
        }
      },
    ]),
  ) as A;
}

/** True for an adapter's error of one of these classes; the classes themselves belong to the adapters. */
export function isNamed(error: unknown, ...names: string[]): error is Error {
  return error instanceof Error && names.includes(error.name);
}

export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, messageLimit);
}

/** Another system did not answer within the time that this step has for it. */
export class AnswerLate extends Error {
  override readonly name = 'AnswerLate';
}

/**
 * As {@link within}, but asked once more when nothing has come after `againAfterMs`: a single question that got lost must
 * not cost the whole limit. Whichever answers first counts, so only reads belong here.
 */
export async function askedAgain<T>(
  limits: { readonly againAfterMs: number; readonly limitMs: number },
  what: string,
  ask: () => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const first = ask();
  const second = new Promise<T>((resolve, reject) => {
    timer = setTimeout(() => void ask().then(resolve, reject), limits.againAfterMs);
  });
  try {
    // What the first one says at once, also that it cannot be asked, is the answer; a second one that fails is none.
    const either = new Promise<T>((resolve, reject) => {
      first.then(resolve, reject);
      second.then(resolve, () => undefined);
    });
    return await within(limits.limitMs, what, either);
  } finally {
    clearTimeout(timer);
  }
}

/** Rejects with {@link AnswerLate} when the promise takes longer; what it does goes on, so only reads belong here. */
export async function within<T>(limitMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new AnswerLate(`${what} took longer than ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
