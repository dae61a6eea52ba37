import type { Json } from '../../../domain/ledger';
import type { ModelCalls } from '../../../activities/ports';
import { ModelUnavailable } from '../../../adapters/pipelines/errors';

type Answer = Awaited<ReturnType<ModelCalls['ask']>>;

/** Stands in for the way through the router: says `good:<text>` of each request, and remembers every key it was asked with. */
export class ScriptedModel implements ModelCalls {
  readonly keys: string[] = [];
  /** Called before each answer; what it returns or throws is the answer. */
  before: (key: string) => Answer | Promise<Answer | undefined> | undefined = () => undefined;

  async ask(call: { readonly key: string; readonly body: Json }): Promise<Answer> {
    this.keys.push(call.key);
    const other = await this.before(call.key);
    if (other !== undefined) return other;
    const { text } = call.body as { text: string };
    return { kind: 'answered', version: '1.2', outputs: { label: `good:${text}`, score: 0.5 } };
  }

  unavailable(): never {
    throw new ModelUnavailable('the model answered 503');
  }
}
