import type { FastifyRequest } from 'fastify';
import type { Caller } from './identity';
import { ApiError } from './problem';

export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === null) throw new ApiError(401, 'Nobody is known to have asked', 'send a token');
  return request.caller;
}

export function onlyLocal(request: FastifyRequest): void {
  if (callerOf(request).isLocalUser) return;
  throw new ApiError(403, 'For the local user only', 'ask from the machine of the controller');
}
