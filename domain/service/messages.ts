import type { Tier } from '../detection/types';
import type { DrillWay } from '../drill';
import type { Actor } from '../ledger';
import type { Mode, ServicePolicy } from '../policy';
import type { Degradation } from '../route';

interface Envelope {
  readonly requestId: string;
  readonly actor?: Actor;
  /** Somebody else who agrees; proven as the actor is. */
  readonly second?: Actor;
  readonly reason: string;
  readonly dryRun?: boolean;
}

/** What people and the controller say to a service; parsed by `workflows/contract/messages`. */
export type OperatorMessage = Envelope &
  (
    | { readonly name: 'rollback'; readonly to?: string }
    | { readonly name: 'deploy'; readonly version: string; readonly after?: boolean }
    | {
        readonly name: 'drill';
        readonly way: DrillWay;
        /** The worse version; without it the live one behind `degrade`. */
        readonly version?: string;
        readonly degrade?: Degradation;
        /** Of users' requests, or of the copies that are made of them; 0–1. */
        readonly share: number;
        readonly forMs: number;
        /** The tier that must find it; without it any. */
        readonly expect?: Tier;
      }
    | { readonly name: 'clearBreaker'; readonly breakerEpoch: number }
    | { readonly name: 'approve'; readonly incident: string; readonly decision: 'approve' | 'deny' }
    | {
        readonly name: 'intervene';
        readonly incident: string;
        readonly action: 'retry' | 'choose' | 'accept' | 'abort';
        readonly target?: string;
      }
    | { readonly name: 'cancel'; readonly incident?: string }
    | { readonly name: 'pause'; readonly forMs: number }
    | { readonly name: 'resume' }
    | { readonly name: 'vouch'; readonly version: string }
    | { readonly name: 'revoke'; readonly version: string }
    | { readonly name: 'clearQuarantine'; readonly version: string }
    | { readonly name: 'setMode'; readonly mode: Mode }
    | { readonly name: 'detach'; readonly force?: boolean }
    | { readonly name: 'configure'; readonly policy: ServicePolicy; readonly rules: number }
  );

export type MessageName = OperatorMessage['name'];

/** The decision on a message, answered in the same workflow task; effects go on after it. */
export interface Answer {
  readonly requestId: string;
  readonly decision: 'accepted' | 'refused' | 'planned';
  /** One sentence for the person. */
  readonly why: string;
  /** Incident or operation that the act began or belongs to. */
  readonly reference: string | null;
  /** The same request was decided before; nothing new was done. */
  readonly repeated: boolean;
  /** For `dryRun`: the plan in words, one line a step. */
  readonly plan: readonly string[];
}

/** A message without an actor comes from the Temporal UI or its CLI: nobody proved who sent it. */
export const unverifiedActor: Actor = { name: 'unverified', proof: 'unverified', from: 'temporal' };
export const machine: Actor = { name: 'lastgood', proof: 'lastgood', from: 'service workflow' };
