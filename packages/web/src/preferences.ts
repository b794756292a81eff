/** What the browser keeps between visits. Storage may be forbidden; then nothing is kept. */
export function readPreference(key: string): string | undefined {
  try {
    return localStorage.getItem(`meridian.${key}`) ?? undefined;
  } catch {
    return undefined;
  }
}

export function writePreference(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(`meridian.${key}`);
    else localStorage.setItem(`meridian.${key}`, value);
  } catch {
    // not kept, then
  }
}
