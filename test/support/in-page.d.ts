export function faintTexts(least: number): {
  faint: { readonly text: string; readonly ratio: number }[];
  looked: number;
};
export function sidewaysPx(): number;
export function focusedWords(): string;
export function keepAnnouncements(): void;
export function announcements(): string[];
export function inkOf(canvas: unknown): number;
export function widthOf(image: unknown): number;
export function heightsOf(elements: unknown[]): number[];
export function groundColour(): string;
export function keptTexts(): string;
