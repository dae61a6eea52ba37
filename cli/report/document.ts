/** A report as its parts, so that every form of it says the same. Texts are plain: the form escapes them. */
export interface ReportDocument {
  readonly title: string;
  /** What a reader in a hurry needs. */
  readonly lead: readonly string[];
  readonly sections: readonly ReportSection[];
}

export interface ReportSection {
  readonly title: string;
  readonly parts: readonly ReportPart[];
}

export type ReportPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | { readonly kind: 'command'; readonly text: string }
  | { readonly kind: 'table'; readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] }
  | { readonly kind: 'picture'; readonly picture: ReportPicture };

/** A kept picture; `svg` is null where it cannot be had or is none that may be embedded, and `why` says so. */
export interface ReportPicture {
  readonly caption: string;
  readonly digest: string;
  readonly svg: string | null;
  readonly why: string | null;
}

export const text = (words: string): ReportPart => ({ kind: 'text', text: words });
export const command = (words: string): ReportPart => ({ kind: 'command', text: words });

/** Nothing where there is nothing to list. */
export function list(items: readonly string[]): ReportPart[] {
  return items.length === 0 ? [] : [{ kind: 'list', items }];
}

export function tablePart(head: readonly string[], rows: readonly (readonly string[])[]): ReportPart[] {
  return rows.length === 0 ? [] : [{ kind: 'table', head, rows }];
}
