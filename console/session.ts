const key = 'lastgood-token';

/** The token of this tab: gone when it is closed, and never anywhere that other tabs or the disk have it. */
export const session = {
  token: (): string | null => sessionStorage.getItem(key),
  keep: (token: string): void => sessionStorage.setItem(key, token),
  forget: (): void => sessionStorage.removeItem(key),
};
