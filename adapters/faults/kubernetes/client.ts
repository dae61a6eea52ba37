import { KubernetesRefused, KubernetesUnreachable, type KubernetesApi } from './api';

const CALL_LIMIT_MS = 15_000;
const FIELD_MANAGER = 'lastgood-chaos';

export interface KubernetesPlace {
  /** Null: `KUBECONFIG`, else `~/.kube/config`. */
  readonly kubeconfig: string | null;
  readonly context: string;
}

/**
 * The API server of a context. The library is an ES module, loaded when a cluster is first needed.
 * @throws KubernetesRefused where the kubeconfig has no such context
 */
export async function openKubernetes({ kubeconfig, context }: KubernetesPlace): Promise<KubernetesApi> {
  const library = await import('@kubernetes/client-node');
  const config = new library.KubeConfig();
  if (kubeconfig === null) config.loadFromDefault();
  else config.loadFromFile(kubeconfig);
  const contexts = config.getContexts().map(({ name }) => name);
  if (!contexts.includes(context))
    throw new KubernetesRefused(
      0,
      `context: found "${context}", expected one of the kubeconfig: ${contexts.join(', ') || 'it has none'}`,
    );
  config.setCurrentContext(context);
  const objects = config.makeApiClient(library.CustomObjectsApi);
  const server = config.getCurrentCluster()?.server ?? '';
  const mergePatch = library.setHeaderOptions('Content-Type', library.PatchStrategy.MergePatch);

  async function call<T>(what: string, ask: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no whole answer within ${CALL_LIMIT_MS} ms`)), CALL_LIMIT_MS);
    });
    try {
      return await Promise.race([ask(), late]);
    } catch (fault) {
      const { code } = fault as { code?: unknown };
      if (typeof code === 'number') throw new KubernetesRefused(code, `${server}: ${what}: ${wordsOf(fault)}`);
      throw new KubernetesUnreachable(`${server}: ${what}: ${(fault as Error).message}`, { cause: fault });
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    server,
    create: (resource, namespace, body) =>
      call(`create ${resource.plural}`, () =>
        objects.createNamespacedCustomObject({
          ...resource,
          namespace,
          body,
          fieldValidation: 'Strict',
          fieldManager: FIELD_MANAGER,
        }),
      ),
    get: (resource, namespace, name) =>
      call(`read ${resource.plural}/${name}`, () =>
        objects.getNamespacedCustomObject({ ...resource, namespace, name }),
      ).catch(nullIfMissing),
    mergePatch: (resource, namespace, name, body) =>
      call(`change ${resource.plural}/${name}`, () =>
        objects.patchNamespacedCustomObject(
          { ...resource, namespace, name, body, fieldValidation: 'Strict', fieldManager: FIELD_MANAGER },
          mergePatch,
        ),
      ).catch(nullIfMissing),
    async remove(resource, namespace, name) {
      await call(`delete ${resource.plural}/${name}`, () =>
        objects.deleteNamespacedCustomObject({ ...resource, namespace, name }),
      ).catch(nullIfMissing);
    },
  };
}

function nullIfMissing(fault: unknown): null {
  if (fault instanceof KubernetesRefused && fault.status === 404) return null;
  throw fault;
}

/** The `message` of the Status that the server answers with. */
function wordsOf(fault: unknown): string {
  const { body, code } = fault as { body?: unknown; code?: unknown };
  const text = typeof body === 'string' ? body : JSON.stringify(body ?? '');
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === 'string') return `${String(code)} ${message.slice(0, 500)}`;
  } catch {
    // Not the server itself answered, but something before it.
  }
  return `${String(code)} ${text.slice(0, 200)}`;
}
