import type { IncomingHttpHeaders } from 'node:http';
import { parsePath, valueAt, type Path } from './answer-reader';
import type { GatewayServiceConfig } from './protocol';

export const ITEM_ID_MAX = 200;

/**
 * Where clients name the item of a pipeline that a request is for: a header, else a field of a JSON body. What is empty, too
 * long or there more than once is none. Untrusted: it is written down and nothing else.
 */
export class ItemIds {
  private readonly header: string | undefined;
  private readonly field: Path | undefined;
  private readonly fieldKey: string = '';

  constructor({ itemHeader, itemField }: Pick<GatewayServiceConfig, 'itemHeader' | 'itemField'>) {
    this.header = itemHeader?.toLowerCase();
    if (itemField === undefined) return;
    this.field = parsePath(itemField);
    this.fieldKey = `"${itemField.slice(itemField.lastIndexOf('.') + 1)}"`;
  }

  ofHeaders(headers: IncomingHttpHeaders): string | undefined {
    return this.header === undefined ? undefined : idOf(headers[this.header]);
  }

  /** Of a body that is there whole; one that is compressed or no JSON has none. */
  ofBody(body: Buffer): string | undefined {
    if (this.field === undefined || !body.includes(this.fieldKey)) return undefined;
    try {
      const value = valueAt(JSON.parse(body.toString('utf8')), this.field);
      return idOf(Number.isSafeInteger(value) ? String(value) : value);
    } catch {
      return undefined;
    }
  }
}

function idOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.length > 0 && value.length <= ITEM_ID_MAX ? value : undefined;
}
