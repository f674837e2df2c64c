// The known word that somebody who mistyped it probably meant.

/** @returns the closest of `words`; undefined if none is close. Case, hyphens and underscores count for nothing. */
export function nearest(typed: string, words: readonly string[]): string | undefined {
  const limit = Math.max(2, Math.floor(typed.length / 3));
  let best: {readonly word: string; readonly distance: number} | undefined;
  for (const word of words) {
    const lastPart = word.slice(word.lastIndexOf('.') + 1);
    const distance = Math.min(editDistance(plain(typed), plain(word)), editDistance(plain(typed), plain(lastPart)));
    if (distance <= limit && (best === undefined || distance < best.distance)) best = {word, distance};
  }
  return best?.word;
}

const plain = (word: string): string => word.toLowerCase().replace(/[-_]/g, '');

/** How many characters have to be inserted, removed, replaced or swapped with their neighbour. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({length: b.length + 1}, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? 0) + 1 : Infinity;
      row.push(Math.min(replaced, swapped, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    [before, above] = [above, row];
  }
  return above[b.length] ?? 0;
}
