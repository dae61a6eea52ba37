import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { NEWEST_RULES } from '../../workflows/contract/inputs';
import { newerRules } from '../../workers/newer-rules';

/** Temporal as far as it is asked: the first event of the run of each service that goes on. */
function temporalWith(rules: Readonly<Record<string, number>>): Client {
  return {
    options: {
      namespace: 'lastgood',
      loadedDataConverter: { payloadConverter: defaultPayloadConverter, payloadCodecs: [] },
    },
    workflowService: {
      getWorkflowExecutionHistory: ({ execution }: { execution: { workflowId: string } }) => {
        const found = rules[execution.workflowId.replace('service/', '')];
        if (found === undefined) return Promise.reject(Object.assign(new Error('not found'), { code: 5 }));
        const input = { payloads: [defaultPayloadConverter.toPayload({ service: 'x', rules: found })] };
        return Promise.resolve({ history: { events: [{ workflowExecutionStartedEventAttributes: { input } }] } });
      },
    },
  } as unknown as Client;
}

test('a release does not decide for a service that a newer one decides for, and says which to start', async () => {
  expect(await newerRules(temporalWith({ mail: NEWEST_RULES, chat: 1 }), ['mail', 'chat', 'not-begun'])).toBeNull();
  expect(await newerRules(temporalWith({ mail: 1, chat: NEWEST_RULES + 1 }), ['mail', 'chat'])).toBe(
    `chat is decided by rules ${NEWEST_RULES + 1}, and this release knows them up to ${NEWEST_RULES}: start the release again that ran before`,
  );
});

test('what cannot be asked is no answer', async () => {
  const client = {
    options: { namespace: 'lastgood', loadedDataConverter: {} },
    workflowService: {
      getWorkflowExecutionHistory: () => Promise.reject(Object.assign(new Error('unreachable'), { code: 14 })),
    },
  } as unknown as Client;
  await expect(newerRules(client, ['mail'])).rejects.toThrow('unreachable');
});
