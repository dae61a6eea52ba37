export type Child = Node | string | null;
export type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** An element; texts become text nodes, so nothing that a service says is ever read as markup. */
export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  children: readonly Child[] | string = [],
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? '' : String(value));
  element.append(...(typeof children === 'string' ? [children] : children.filter((child) => child !== null)));
  return element;
}

/**
 * Makes `place` look like `next` with as few changes as there are differences: focus, scrolling and what is opened stay.
 * Listeners of `next` are lost, so what is refreshed has links only.
 */
export function refresh(place: Element, next: Element): void {
  if (place.isEqualNode(next)) return;
  if (place.tagName !== next.tagName) {
    place.replaceWith(next);
    return;
  }
  refreshAttributes(place, next);
  const before = [...place.childNodes];
  const after = [...next.childNodes];
  after.forEach((node, index) => {
    const old = before[index];
    if (old === undefined) place.append(node);
    else if (old instanceof Element && node instanceof Element) refresh(old, node);
    else if (old instanceof Text && node instanceof Text) {
      if (old.data !== node.data) old.data = node.data;
    } else old.replaceWith(node);
  });
  for (const old of before.slice(after.length)) old.remove();
}

function refreshAttributes(place: Element, next: Element): void {
  for (const { name } of [...place.attributes])
    // Whoever looks has opened it.
    if (!next.hasAttribute(name) && !(name === 'open' && place.tagName === 'DETAILS')) place.removeAttribute(name);
  for (const { name, value } of [...next.attributes])
    if (place.getAttribute(name) !== value) place.setAttribute(name, value);
}

/** An element of the page's frame. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new TypeError(`the page has no #${id}`);
  return found;
}

let number = 0;
/** For labels and descriptions. */
export function newId(what: string): string {
  number += 1;
  return `${what}-${number}`;
}
