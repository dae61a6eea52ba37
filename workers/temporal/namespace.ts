import { isGrpcServiceError, type Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time';
import { temporal } from '@temporalio/proto';

/** The types that a search attribute can have, as the command line of the server spells them. */
export type SearchAttributeType = 'Text' | 'Keyword' | 'Int' | 'Double' | 'Bool' | 'Datetime' | 'KeywordList';

export interface SearchAttribute {
  readonly name: string;
  readonly type: SearchAttributeType;
}

export interface NamespaceOptions {
  readonly namespace: string;
  readonly retentionDays: number;
  readonly searchAttributes: readonly SearchAttribute[];
  /** How long to wait for what was registered to be readable; default 15,000. */
  readonly readBackMs?: number;
}

/** What the namespace really has, read back. */
export interface NamespaceState {
  /** Names that workflows may set. Setting any other would fail the workflow task for ever. */
  readonly registered: readonly string[];
  /** What must be left out, and why. */
  readonly missing: readonly { readonly name: string; readonly reason: string }[];
  /** The retention in force, where it could not be set to the one asked for. */
  readonly retentionDays: number;
}

const msPerDay = 24 * 60 * 60 * 1000;
const pollMs = 100;
const grpcNotFound = 5;
const grpcAlreadyExists = 6;
const indexedValueType = temporal.api.enums.v1.IndexedValueType;

/**
 * Creates the namespace where it is missing, sets its retention, registers the search attributes that are missing and
 * reads them back. Can be repeated. A server that refuses one (no right, no free column, another type under that
 * name) costs that one only.
 */
export async function ensureNamespace(connection: Connection, options: NamespaceOptions): Promise<NamespaceState> {
  const retentionDays = await ensureRetention(connection, options);
  const refusals = new Map<string, string>();
  const before = await readAttributes(connection, options.namespace);
  for (const attribute of options.searchAttributes) {
    const present = before.get(attribute.name);
    // One call each: the server takes a list as a whole or not at all.
    if (present === undefined) await register(connection, options.namespace, attribute, refusals);
    else if (present !== typeNumber(attribute.type)) {
      refusals.set(attribute.name, `is registered as ${typeName(present)}, not as ${attribute.type}`);
    }
  }
  const wanted = options.searchAttributes.filter((attribute) => !refusals.has(attribute.name));
  const registered = await readBack(connection, options, wanted);
  const missing = options.searchAttributes
    .filter((attribute) => !registered.includes(attribute.name))
    .map(({ name }) => ({ name, reason: refusals.get(name) ?? 'was accepted and cannot be read back' }));
  return { registered, missing, retentionDays };
}

/** Answers whether the server knows the namespace. Other failures are thrown. */
export async function hasNamespace(connection: Connection, namespace: string): Promise<boolean> {
  return (await readRetentionDays(connection, namespace)) !== undefined;
}

async function ensureRetention(connection: Connection, options: NamespaceOptions): Promise<number> {
  const { namespace, retentionDays } = options;
  const retention = msToTs(retentionDays * msPerDay);
  let current = await readRetentionDays(connection, namespace);
  if (current === undefined) {
    await connection.workflowService
      .registerNamespace({ namespace, workflowExecutionRetentionPeriod: retention })
      .catch((error: unknown) => {
        // Another controller was quicker.
        if (codeOf(error) !== grpcAlreadyExists) throw error;
      });
    current = await readRetentionDays(connection, namespace);
  }
  if (current === retentionDays) return current;
  const config = { workflowExecutionRetentionTtl: retention };
  // Without the right to change a shared cluster's namespace, its own retention stays: reported, not fatal, because no
  // answer depends on a closed history.
  await connection.workflowService.updateNamespace({ namespace, config }).catch(() => undefined);
  return (await readRetentionDays(connection, namespace)) ?? 0;
}

async function readRetentionDays(connection: Connection, namespace: string): Promise<number | undefined> {
  try {
    const description = await connection.workflowService.describeNamespace({ namespace });
    return Number(description.config?.workflowExecutionRetentionTtl?.seconds ?? 0) / (msPerDay / 1000);
  } catch (error) {
    if (codeOf(error) === grpcNotFound) return undefined;
    throw error;
  }
}

async function register(
  connection: Connection,
  namespace: string,
  attribute: SearchAttribute,
  refusals: Map<string, string>,
): Promise<void> {
  try {
    const searchAttributes = { [attribute.name]: typeNumber(attribute.type) };
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
  } catch (error) {
    if (codeOf(error) === grpcAlreadyExists) return;
    refusals.set(attribute.name, isGrpcServiceError(error) ? error.details : String(error));
  }
}

/** Registration reaches the front end's cache with a delay: asked again until all are there or the time is over. */
async function readBack(
  connection: Connection,
  options: NamespaceOptions,
  wanted: readonly SearchAttribute[],
): Promise<string[]> {
  const deadline = performance.now() + (options.readBackMs ?? 15_000);
  for (;;) {
    const present = await readAttributes(connection, options.namespace);
    const readable = wanted.filter((attribute) => present.get(attribute.name) === typeNumber(attribute.type));
    if (readable.length === wanted.length || performance.now() > deadline) return readable.map(({ name }) => name);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

async function readAttributes(connection: Connection, namespace: string): Promise<Map<string, number>> {
  const response = await connection.operatorService.listSearchAttributes({ namespace });
  return new Map(Object.entries(response.customAttributes ?? {}));
}

function typeNumber(type: SearchAttributeType): temporal.api.enums.v1.IndexedValueType {
  switch (type) {
    case 'Text':
      return indexedValueType.INDEXED_VALUE_TYPE_TEXT;
    case 'Keyword':
      return indexedValueType.INDEXED_VALUE_TYPE_KEYWORD;
    case 'Int':
      return indexedValueType.INDEXED_VALUE_TYPE_INT;
    case 'Double':
      return indexedValueType.INDEXED_VALUE_TYPE_DOUBLE;
    case 'Bool':
      return indexedValueType.INDEXED_VALUE_TYPE_BOOL;
    case 'Datetime':
      return indexedValueType.INDEXED_VALUE_TYPE_DATETIME;
    case 'KeywordList':
      return indexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST;
  }
}

function typeName(type: number): string {
  return (indexedValueType[type] ?? String(type)).replace('INDEXED_VALUE_TYPE_', '').toLowerCase();
}

function codeOf(error: unknown): number | undefined {
  return isGrpcServiceError(error) ? error.code : undefined;
}
