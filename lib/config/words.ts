// A command as one string, split into words: quotes group, a backslash takes the next character as it is; no shell, no expansion.

/**
 * Splits at white space. `'…'` keeps everything, `"…"` everything but `\"` and `\\`.
 * @param backslash what one outside of quotes is: `escape` takes the next character as it is, `plain` is a character as any other.
 * @returns the words, or a sentence that says why the text cannot be split.
 */
export function splitWords(
  text: string,
  {backslash}: {readonly backslash: 'escape' | 'plain'} = {backslash: 'escape'},
): {readonly words: readonly string[]} | {readonly fault: string} {
  const words: string[] = [];
  let word: string | undefined;
  let quote: '"' | "'" | undefined;
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    const next = text.charAt(i + 1);
    if (quote !== undefined) {
      if (char === quote) quote = undefined;
      else if (quote === '"' && char === '\\' && (next === '"' || next === '\\')) word = (word ?? '') + text.charAt(++i);
      else word = (word ?? '') + char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (char === '\\' && backslash === 'escape') {
      if (next === '') return {fault: 'a character after the backslash at its end'};
      word = (word ?? '') + text.charAt(++i);
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (quote !== undefined) return {fault: `a closing ${quote}`};
  if (word !== undefined) words.push(word);
  return {words};
}

/** The inverse, for displays: words with white space, quotes or backslashes are put into single quotes. */
export const joinWords = (words: readonly string[]): string => words.map(quoteWord).join(' ');

function quoteWord(word: string): string {
  if (word !== '' && !/[\s'"\\]/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
