import type { ApiPorts } from '../ports';
import { createApiServer } from '../server';

/** The document as every controller serves it: it depends on no service and no part. */
export async function interfaceDocument(): Promise<unknown> {
  const server = createApiServer({ services: [], chains: {} } as unknown as ApiPorts, {
    door: { kind: 'socket', user: 'nobody' },
    tls: null,
    onError: (error) => {
      throw error;
    },
  });
  const answer = await server.inject({ url: '/v1/openapi.json' });
  await server.close();
  return answer.json();
}
