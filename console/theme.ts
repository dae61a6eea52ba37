const key = 'lastgood-colours';
const themes = ['system', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];

/** Light or dark as the system is, unless the reader chose; `onChange` for what is drawn and not styled. */
export function keepTheme(select: HTMLSelectElement, onChange: () => void): void {
  const apply = (theme: Theme): void => {
    if (theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
    onChange();
  };
  const kept = themes.find((theme) => theme === localStorage.getItem(key)) ?? 'system';
  select.value = kept;
  apply(kept);
  select.addEventListener('change', () => {
    localStorage.setItem(key, select.value);
    apply(themes.find((theme) => theme === select.value) ?? 'system');
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', onChange);
}
