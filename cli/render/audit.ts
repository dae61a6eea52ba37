import type { LedgerVerification } from '../../api/types';
import { moment, plural } from './words';

export interface AnchorCheck {
  readonly file: string | null;
  readonly checked: number;
  readonly newestAt: number | null;
  readonly wrong: readonly string[];
}

export interface ServiceAudit {
  readonly service: string;
  readonly chain: LedgerVerification;
  readonly anchors: AnchorCheck;
}

export function renderAudit(audits: readonly ServiceAudit[]): string[] {
  return audits.flatMap(({ service, chain, anchors }) => [
    chain.ok
      ? `${service}: the chain is whole, ${plural(chain.entries, 'entry', 'entries')}`
      : `${service}: the chain is BROKEN (${plural(chain.entries, 'entry', 'entries')})`,
    ...chain.breaks.map(({ seq, problem }) => `  entry ${seq}: ${problem}`),
    ...anchors.wrong.map((line) => `  ANCHOR: ${line}`),
    anchors.checked === 0
      ? `  no anchor to compare with${anchors.file === null ? '' : ` in ${anchors.file}`}: a tail that was cut would not be seen`
      : `  ${plural(anchors.checked, 'anchor')} compared, the newest of ${moment(anchors.newestAt ?? 0)}`,
  ]);
}

/** Chains that were recomputed here, against anchors of the reader's own. */
export function renderCopies(
  checked: readonly {
    readonly service: string;
    readonly ok: boolean;
    readonly entries: number;
    readonly anchors: number;
    readonly breaks: readonly { readonly seq: number; readonly problem: string }[];
  }[],
): string[] {
  return checked.flatMap(({ service, ok, entries, anchors, breaks }) => [
    `${service}: recomputed here: the chain is ${ok ? 'whole' : 'BROKEN'}, ${plural(entries, 'entry', 'entries')}`,
    ...breaks.map(({ seq, problem }) => `  entry ${seq}: ${problem}`),
    anchors === 0
      ? '  no anchor of it is in that file: a tail that was cut, or a chain written anew, would not be seen'
      : `  ${plural(anchors, 'anchor')} of that file compared`,
  ]);
}
