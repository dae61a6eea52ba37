import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError } from './problem';

/** Requests of one address in a minute: many times what people on call and the labels of a busy service need. */
const MOST_REQUESTS = 6_000;
/** Requests without a good proof: more is somebody who tries. */
const MOST_STRANGERS = 60;

/** Counts the requests of one address, and more strictly those that nobody is known to have sent. */
export async function limitRequests(
  app: FastifyInstance,
): Promise<<T>(request: FastifyRequest, identify: () => Promise<T>) => Promise<T>> {
  await app.register(rateLimit, { global: false });
  const requests = app.createRateLimit({ max: MOST_REQUESTS, timeWindow: '1 minute' });
  const strangers = app.createRateLimit({ max: MOST_STRANGERS, timeWindow: '1 minute' });
  return async (request, identify) => {
    refuseAbove(MOST_REQUESTS, await requests(request));
    refuseAbove(MOST_STRANGERS, await strangers(request, { increment: false }));
    try {
      return await identify();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) await strangers(request);
      throw error;
    }
  };
}

function refuseAbove(most: number, counted: Awaited<ReturnType<ReturnType<FastifyInstance['createRateLimit']>>>): void {
  if (counted.isAllowed || !counted.isExceeded) return;
  const what = most === MOST_REQUESTS ? 'requests' : 'requests without a good proof';
  throw new ApiError(429, 'Too many requests', `more than ${most} ${what} in a minute; wait ${counted.ttlInSeconds} s`);
}
