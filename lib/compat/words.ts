// A command of HAL or PROM into its words. Those daemons cut at every space; here quotes group, which is what their own documents rely on.
import {splitWords} from '../config/words.ts';

export interface Words {
  readonly words: readonly string[];
  /** Whether those daemons would have made other words of it. */
  readonly differs: boolean;
}

/** A backslash is an ordinary character, and so is a quote that has no partner: no text is refused. */
export function splitCommand(text: string): Words {
  const split = splitWords(text, {backslash: 'plain'});
  const words = 'words' in split ? split.words : text.split(/\s+/).filter((word) => word !== '');
  const theirs = text.split(' ');
  return {words, differs: words.length !== theirs.length || words.some((word, index) => word !== theirs[index])};
}
