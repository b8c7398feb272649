import * as fc from 'fast-check';
import { firstWhere } from '../../../src/model/first-where';

test('the first item that the predicate holds for, as a look at each of them finds it', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), fc.integer({ min: -1, max: 21 }), (items, than) => {
      const ascending = items.sort((a, b) => a - b);
      for (const list of [ascending, Uint32Array.from(ascending)]) {
        const found = firstWhere<number>(list, (item) => item >= than);
        expect(found).toBe(ascending.filter((item) => item < than).length);
      }
    }),
  );
});

test('it asks about few of many', () => {
  let asked = 0;
  const found = firstWhere(
    Uint32Array.from({ length: 1 << 20 }, (_, i) => i),
    (item) => {
      asked++;
      return item >= 777_777;
    },
  );
  expect(found).toBe(777_777);
  expect(asked).toBeLessThanOrEqual(21);
});
