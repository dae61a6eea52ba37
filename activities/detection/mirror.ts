/** Marks a request that is asked for comparison, for the model and everything behind it. */
export const mirrorHeaders: Readonly<Record<string, string>> = { 'x-lastgood-mirror': '1' };
