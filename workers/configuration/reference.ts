import { configurationJsonSchema } from './json-schema';

/** As much of JSON Schema as the schema of `lastgood.yaml` uses. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly maxItems?: number;
  readonly $ref?: string;
  readonly not?: object;
}

export interface ReferenceRow {
  /** `services.<name>.samples.share`; `[]` is an item of a list, `(kind: x)` the form that has the key. */
  readonly key: string;
  readonly value: string;
  readonly default: string;
}

/** Every key of `lastgood.yaml` with what may stand there and what stands there by default, from the schema itself. */
export function referenceRows(): ReferenceRow[] {
  const rows: ReferenceRow[] = [];
  const seen = new Set<string>();
  const visit = (key: string, schema: Schema, isRequired: boolean): void => {
    // A key that is there to be refused with a reason.
    if (schema.not !== undefined) return;
    const forms = formsOf(schema);
    const objects = forms.filter((form) => form.properties !== undefined || form.additionalProperties);
    if (key !== '' && (objects.length === 0 || objects.length < forms.length || schema.type === 'array' || isRequired))
      add({ key, value: valueOf(schema), default: isRequired ? 'required' : defaultOf(schema) });
    if (schema.items) visit(`${key}[]`, schema.items, false);
    for (const form of objects) {
      const name = objects.length > 1 ? `${key}${markOf(form)}` : key;
      for (const [property, inner] of Object.entries(form.properties ?? {}))
        if (inner.const === undefined || objects.length === 1)
          visit(
            name === '' ? property : `${name}.${property}`,
            inner,
            form.required?.includes(property) === true && inner.default === undefined,
          );
      if (typeof form.additionalProperties === 'object') visit(`${name}.<name>`, form.additionalProperties, false);
    }
  };
  const add = (row: ReferenceRow): void => {
    if (row.key.endsWith('[]') || row.key.endsWith('<name>')) return;
    if (!seen.has(row.key)) rows.push(row);
    seen.add(row.key);
  };
  visit('', configurationJsonSchema() as Schema, false);
  return rows;
}

function formsOf(schema: Schema): readonly Schema[] {
  const forms = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  return forms === undefined ? [schema] : forms.flatMap(formsOf);
}

/** What tells one form of an object from the others: its first constant. */
function markOf({ properties = {} }: Schema): string {
  const mark = Object.entries(properties).find(([, inner]) => inner.const !== undefined);
  return mark === undefined ? '' : ` (${mark[0]}: ${String(mark[1].const)})`;
}

function valueOf(schema: Schema): string {
  const texts = formsOf(schema).map((form) => {
    if (form.enum) return form.enum.map((one) => `\`${String(one)}\``).join(', ');
    if (form.const !== undefined) return `\`${String(form.const)}\``;
    if (form.$ref !== undefined) return 'any JSON';
    if (form.type === 'array') {
      const inner = form.items?.properties ? 'mappings' : form.items ? valueOf(form.items) : 'values';
      return `list${form.maxItems === undefined ? '' : ` (at most ${form.maxItems})`} of ${inner}`;
    }
    if (form.properties ?? form.additionalProperties) return 'mapping';
    if (form.type === 'number' || form.type === 'integer')
      return `${form.type === 'integer' ? 'whole number' : 'number'}${rangeOf(form)}`;
    if (form.type === 'boolean') return '`true`, `false`';
    return form.type === 'null' ? '`null`' : 'text';
  });
  return [...new Set(texts)].join(' or ');
}

function rangeOf({ minimum, exclusiveMinimum, maximum }: Schema): string {
  const safe = (bound: number | undefined): bound is number =>
    bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  const from = safe(minimum) ? String(minimum) : safe(exclusiveMinimum) ? `more than ${exclusiveMinimum}` : '';
  const to = safe(maximum) ? String(maximum) : '';
  if (from === '' && to === '') return '';
  return to === '' ? `, ${from} or more` : from === '' ? `, at most ${to}` : `, ${from} to ${to}`;
}

function defaultOf({ default: given }: Schema): string {
  if (given === undefined) return 'none';
  const text = typeof given === 'string' ? given : JSON.stringify(given);
  return text === '' || text === '{}' ? 'none' : `\`${text}\``;
}

const sections: readonly (readonly [title: string, prefix: string])[] = [
  ['The service: `services.<name>`', 'services.<name>.'],
  ['The installation', ''],
];

/** The page `docs/configuration-reference.md`. */
export function referencePage(): string {
  const rows = referenceRows();
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const tables = sections.map(([title, prefix]) => {
    const own = rows.filter(({ key }) => key.startsWith('services.') === (prefix !== ''));
    const lines = own.map(
      (row) => `| \`${cell(row.key.slice(prefix.length))}\` | ${cell(row.value)} | ${cell(row.default)} |`,
    );
    return `## ${title}\n\n| key | value | default |\n|---|---|---|\n${lines.join('\n')}\n`;
  });
  return `# Configuration: every key

Made from the schema that reads the file (\`node dist/workers/configuration/write-reference.js docs/configuration-reference.md\`), so it has every key and no other; what a key
means, and why one would change it: [configuration](configuration.md). \`<name>\` is a name of yours, \`[]\` an item of a list, \`(kind: x)\` the form that has the key. A text may be a
duration (\`30m\`), a size (\`1MiB\`), an address or a path; \`lastgood validate\` says what it expects. An unknown key is refused with its place.

${tables.join('\n')}`;
}
