/** `from me` in a row: the address of whoever types it. */
import type { Context } from '../operate/context';
import { callerConnectionOf } from '../operate/ssh-sessions';
import { commentAt } from '../operate/edit/row-words';
import { formatAddress } from '../model/prefix';
import { UsageError } from './output';

/** The words with the caller's address in place of `me` behind `from`. */
export async function withCaller(words: readonly string[], context: Context): Promise<readonly string[]> {
  const at = commentAt(words);
  const isCaller = (i: number): boolean =>
    /^me$/i.test(words[i]) && /^from$/i.test(words[i - 1] ?? '') && (at < 0 || i < at);
  if (!words.some((_, i) => isCaller(i))) return words;
  const address = await callerAddress(context);
  return words.map((word, i) => (isCaller(i) ? address : word));
}

/** The address the caller's SSH session comes from. */
export async function callerAddress({ kernel, netns }: Context): Promise<string> {
  const caller = await callerConnectionOf(kernel, netns);
  if (!caller)
    throw new UsageError(
      '"me" has no address: this command did not come through an SSH session from another machine',
      'write the address itself; behind sudo, su or tmux the session must still be open',
    );
  return formatAddress(caller.family, caller.source);
}
