import type { FastifyInstance, FastifyRequest } from 'fastify';
import { rollbackCallBody } from '../bodies';
import { authorise } from '../identity/caller';
import type { ApiPorts } from '../ports';
import { ApiError, badRequest, read } from '../problem';
import type { Decide } from '../routes';
import { readSignedCall, requestIdOf, toleranceMs } from './signed-caller';

const bodyLimitBytes = 64 * 1024;

/** `POST /v1/services/{s}/webhooks/rollback`: a rollback now, by a call that one of `rollbackWebhooks` signed. */
export function registerRollbackWebhook(
  app: FastifyInstance,
  { rollbackCallers }: Pick<ApiPorts, 'rollbackCallers'>,
  about: { readonly service: (request: FastifyRequest) => string; readonly decide: Decide },
): void {
  const heard = new HeardIds();
  void app.register((scope, _options, done) => {
    const own = scope as unknown as FastifyInstance;
    // The signature is over the bytes as they came.
    own.removeAllContentTypeParsers();
    own.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: bodyLimitBytes }, (_request, body, parsed) =>
      parsed(null, body),
    );
    own.post('/v1/services/:service/webhooks/rollback', { config: { needs: 'signed' } }, async (request, reply) => {
      const service = about.service(request);
      const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      const call = await request.prove(() =>
        readSignedCall(service, rollbackCallers?.(service) ?? [], {
          ...{ headers: request.headers, body: bytes, from: request.ip, now: Date.now() },
        }),
      );
      request.caller = call.caller;
      authorise(call.caller, 'rollback', service);
      const { type: _type, ...body } = read(rollbackCallBody, jsonOf(bytes), 'body');
      const requestId = requestIdOf(call);
      heard.refuseKnown(`${service}/${requestId}`, call.id);
      try {
        const { status, answer } = await about.decide(service, 'rollback', { ...body, requestId }, call.caller.actor);
        if ('repeated' in answer && answer.repeated) throw known(call.id);
        return await reply.code(status).send(answer);
      } catch (error) {
        // Nobody has decided: the sender's next attempt is its first.
        if (!(error instanceof ApiError && error.status === 409)) heard.forget(`${service}/${requestId}`);
        throw error;
      }
    });
    done();
  });
}

function known(id: string): ApiError {
  return new ApiError(409, 'This was asked before', `webhook-id: ${id} was taken already, and is not done again`);
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw badRequest('body: expected JSON');
  }
}

/** Ids of messages that were decided on or are being; as long as their timestamps would be accepted. */
class HeardIds {
  private readonly ids = new Map<string, number>();

  refuseKnown(key: string, id: string): void {
    const now = Date.now();
    for (const [old, until] of this.ids) if (until <= now) this.ids.delete(old);
    if (this.ids.has(key)) throw known(id);
    this.ids.set(key, now + 2 * toleranceMs);
  }

  forget(key: string): void {
    this.ids.delete(key);
  }
}
