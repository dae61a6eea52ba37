import type { Json } from '../domain/ledger';
import type { Backend, VersionSelector } from '../domain/route';
import type { Engine } from './ports';

/**
 * The engine as the copy behind this backend must be asked. The router writes the backend's selector into every request
 * of a client; a probe that goes past the router has to name the version in the same way, or it would prove another one.
 */
export function engineOn(engine: Engine, { selector }: Pick<Backend, 'selector'>): Engine {
  if (selector === undefined) return engine;
  const named = (model: string): string => selectedModel(selector, model);
  const { askTokens } = engine;
  const choosing = selector.by === 'header' ? { [selector.header]: selector.value } : {};
  return {
    ...engine,
    name: engine.name,
    ready: (address, model, limits) => engine.ready(address, named(model), limits),
    identity: (address, model, limits) => engine.identity(address, named(model), limits),
    infer: (address, model, body, { headers, ...options }) =>
      engine.infer(address, named(model), selector.by === 'model' ? withoutModel(body) : body, {
        ...options,
        headers: { ...headers, ...choosing },
      }),
    ...(askTokens && {
      askTokens: (address, model, question, { headers, ...options }) =>
        askTokens(address, named(model), question, { ...options, headers: { ...headers, ...choosing } }),
    }),
  };
}

/** A sampled request says the public name, which the server of an adapter does not know; the engine names the model. */
function withoutModel(body: Json): Json {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  return Object.fromEntries(Object.entries(body).filter(([key]) => key !== 'model'));
}

/**
 * `m` under `/v2/models/m -> /v2/models/m/versions/3` is `m/versions/3`, which is where Open Inference has everything of
 * that version. A path that does not end with the model's name changes nothing.
 */
function selectedModel(selector: VersionSelector, model: string): string {
  if (selector.by === 'model') return selector.name;
  if (selector.by === 'header') return model;
  const { from, to } = selector;
  const before = from.slice(0, -model.length);
  return from === before + model && to.startsWith(before) ? to.slice(before.length) : model;
}
