import { placesOf, withPlaces } from '../../../domain/detection/where-to-look';

const change = (name: string, words: string | null = `${name} moved`): Parameters<typeof withPlaces>[1][number] => ({
  name,
  words,
  where: `what makes ${name}`,
});
const environment = {
  attribution: 'environment' as const,
  reasons: ['changed at the same onset: a, b', 'a deploy was long ago'],
};

describe('where to look', () => {
  it('stands behind the first reason, with what was measured', () => {
    const { attribution, reasons } = withPlaces(environment, [change('a'), change('b')]);
    expect(attribution).toBe('environment');
    expect(reasons).toEqual([
      'changed at the same onset: a, b',
      'a: a moved; b: b moved',
      'look at what makes a; what makes b',
      'a deploy was long ago',
    ]);
    expect(placesOf(reasons)).toBe('Look at what makes a; what makes b');
  });

  it('fits into what a report keeps of a reason, and says how many do not', () => {
    const many = Array.from({ length: 9 }, (_, at) => change(`inputs:a-field-with-a-long-name-${at}`, 'x'.repeat(60)));
    const { reasons } = withPlaces(environment, many);
    expect(reasons.every((reason) => reason.length <= 200)).toBe(true);
    expect(reasons[1]).toMatch(/; and [1-8] more$/);
    expect(reasons[2]).toMatch(/; and [1-8] more$/);
    expect(withPlaces(environment, [change('a', 'y'.repeat(999))]).reasons.every(({ length }) => length <= 200)).toBe(
      true,
    );
  });

  it('is what both versions share where a cause outside the model is proven and nothing measured has changed', () => {
    expect(placesOf(withPlaces(environment, []).reasons)).toMatch(/^Look at what both versions share/);
  });

  it('is nowhere when the model is the cause, though what changed beside it is said', () => {
    const { reasons } = withPlaces({ attribution: 'model', reasons: ['a replay separates them'] }, [change('a')]);
    expect(reasons).toEqual(['a replay separates them', 'a: a moved']);
    expect(placesOf(reasons)).toBeNull();
    expect(withPlaces({ attribution: 'model', reasons: ['x'] }, []).reasons).toEqual(['x']);
  });

  it('comes without words from a source that has none', () => {
    expect(withPlaces(environment, [change('a', null)]).reasons[1]).toBe('look at what makes a');
  });
});
