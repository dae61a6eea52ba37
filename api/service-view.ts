import { attachmentOf } from './attachment';
import { itemsInProgress } from './items';
import type { ApiPorts } from './ports';
import type { ServiceView } from './types';

const askLimitMs = 2_000;

/** What is known of a service now: from the workflow that decides, or at least from the gateway. Never rejects. */
export async function viewService(ports: ApiPorts, name: string, model: string): Promise<ServiceView> {
  const [status, gateway, entrance] = await Promise.all([
    attempt(ports.decisions.status(name)),
    attempt(ports.router.read(name)),
    attempt(ports.router.entrance(name)),
  ]);
  const hold = ports.services.find((service) => service.name === name)?.legalHold ?? null;
  const disk = hold === null ? null : await (ports.disk?.() ?? Promise.resolve(null));
  const notKnown: string[] = [];
  if (!status.ok) {
    notKnown.push(
      `decisions, standing of the versions, cooldown, breaker and readiness: the workflow of ${name} does not answer (${status.why})`,
    );
  }
  if (!status.ok) {
    const attachment = await attempt(attachmentOf(ports, name));
    if (attachment.ok && !attachment.value.attached)
      notKnown.unshift(`lastgood is detached from it and decides nothing: ${attachment.value.summary}`);
  }
  if (!gateway.ok) notKnown.push(`the route in force and the requests in flight: ${gateway.why}`);
  const declared = status.ok && (status.value.state.policy.pipelines?.length ?? 0) > 0;
  const items = declared ? await attempt(itemsInProgress(ports, name)) : null;
  if (items?.ok === false) notKnown.push(`the items that are being treated: ${items.why}`);
  return {
    service: name,
    model,
    at: Date.now(),
    source: status.ok ? 'workflow' : gateway.ok ? 'gateway' : 'none',
    status: status.ok ? status.value : null,
    gateway: gateway.ok ? gateway.value : null,
    entrance: entrance.ok ? (entrance.value.clients ?? entrance.value.address) : null,
    ...(items?.ok && { items: items.value }),
    ...(hold && { legalHold: { ...hold, disk } }),
    notKnown,
  };
}

type Attempt<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

async function attempt<T>(asked: Promise<T>): Promise<Attempt<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Attempt<T>>((resolve) => {
    timer = setTimeout(() => resolve({ ok: false, why: `no answer within ${askLimitMs / 1000} s` }), askLimitMs);
  });
  const answer = asked.then(
    (value): Attempt<T> => ({ ok: true, value }),
    (error: unknown): Attempt<T> => ({ ok: false, why: error instanceof Error ? error.message : String(error) }),
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
