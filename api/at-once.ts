/**
 * Maps each item by an asynchronous function, so many of them at a time, in order. Each question has a limit of its own
 * from the moment at which it is asked: a thousand asked at once would time each other out.
 */
export async function mapAtOnce<T, R>(atOnce: number, items: readonly T[], map: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next;
      next += 1;
      results[index] = await map(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
