/** Lists of numbers that are kept once each. */

/**
 * Numbers arrays by what they hold: equal ones have one number, an index into `list`, to which new ones are added. What
 * they hold is compared, and no hash of it alone.
 */
export function numberContents<List extends Uint16Array | Uint32Array>(list: List[]): (contents: List) => number {
  const numbers = new Map<string, number>();
  return (contents) => {
    const key = Buffer.from(contents.buffer, contents.byteOffset, contents.byteLength).toString('latin1');
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, list.length);
    return list.push(contents) - 1;
  };
}
