import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** For tests that skip days: nobody can send heartbeats in skipped time. Events are the same without the timeout. */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  outbound: [
    {
      scheduleActivity: (input, next) => {
        const { heartbeatTimeout: _none, ...options } = input.options;
        return next({ ...input, options });
      },
    },
  ],
});
