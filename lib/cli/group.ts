// The group that a store is open to, by its number, as this host knows it.
import {execFile} from 'node:child_process';
import type {Config} from '../config/config.ts';
import {HaError} from '../errors.ts';

/** A directory service may have to be asked, ms. */
const LIMIT_MS = 10_000;
/** What getent exits with where there is none of this name. */
const NO_SUCH = 2;

/** @returns undefined if none is configured. @throws HaError config.invalid if this host does not know it. */
export async function groupOf({storeGroup}: Config): Promise<number | undefined> {
  if (storeGroup === undefined) return undefined;
  if (/^[0-9]+$/.test(storeGroup)) return Number(storeGroup);
  const found = await lookUp(storeGroup);
  if (typeof found === 'number') return found;
  throw new HaError(
    'config.invalid',
    {problems: [{key: 'storeGroup', where: 'this host', found: JSON.stringify(storeGroup), expected: found.expected}]},
    {message: 'the configuration is refused', hint: found.hint},
  );
}

/** As the name service has it: name, password, number, members. */
const lookUp = (name: string): Promise<number | {readonly expected: string; readonly hint: string}> =>
  new Promise((resolve) => {
    execFile('getent', ['group', '--', name], {timeout: LIMIT_MS}, (error, stdout) => {
      const number = error ? undefined : stdout.split(':')[2];
      if (number !== undefined && /^[0-9]+$/.test(number)) return resolve(Number(number));
      if (error?.code !== NO_SUCH && error)
        return resolve({
          expected: `a number, because names cannot be looked up here: ${error.message.trim()}`,
          hint: 'give the number of the group',
        });
      const hint = `make the group first, on every host with the same number: groupadd ${name}`;
      resolve({expected: 'a group that "getent group" knows, or its number', hint});
    });
  });
