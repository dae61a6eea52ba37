import { el } from '../dom';

const names = ['ink', 'soft', 'line', 'series', 'limit', 'center', 'onset'] as const;
export type ColourName = (typeof names)[number];

/** The colours of the style sheet for what is drawn on a canvas, as the browser resolves them in the theme of now. */
export class Palette {
  private readonly swatches: ReadonlyMap<ColourName, HTMLElement>;
  private readonly known = new Map<ColourName, string>();

  constructor(place: HTMLElement) {
    const swatch = (name: ColourName): HTMLElement => el('span', { class: `swatch swatch-${name}`, hidden: true });
    this.swatches = new Map(names.map((name) => [name, swatch(name)]));
    place.append(...this.swatches.values());
  }

  colour(name: ColourName): string {
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const swatch = this.swatches.get(name);
    const found = swatch?.isConnected === true ? getComputedStyle(swatch).color : '';
    if (found !== '') this.known.set(name, found);
    return found || '#888';
  }

  forget(): void {
    this.known.clear();
  }
}
