// The group that a store is open to, by its number, as this host knows it.
import {execFile} from 'node:child_process';
import type {Config} from '../config/config.ts';
import {HaError} from '../errors.ts';

/** A directory service may have to be asked, ms. */
const LIMIT_MS = 10_000;

/** @returns undefined if none is configured. @throws HaError config.invalid if this host does not know it. */
export async function groupOf({storeGroup}: Config): Promise<number | undefined> {
  if (storeGroup === undefined) return undefined;
  if (/^[0-9]+$/.test(storeGroup)) return Number(storeGroup);
  const number = await lookUp(storeGroup);
  if (number !== undefined) return number;
  const expected = 'a group that "getent group" knows, or its number';
  throw new HaError(
    'config.invalid',
    {problems: [{key: 'storeGroup', where: 'this host', found: JSON.stringify(storeGroup), expected}]},
    {
      message: 'the configuration is refused',
      hint: `make the group first, on every host with the same number: groupadd ${storeGroup}`,
    },
  );
}

/** As the name service has it: name, password, number, members. */
const lookUp = (name: string): Promise<number | undefined> =>
  new Promise((resolve) => {
    execFile('getent', ['group', '--', name], {timeout: LIMIT_MS}, (error, stdout) => {
      const number = error ? undefined : stdout.split(':')[2];
      resolve(number !== undefined && /^[0-9]+$/.test(number) ? Number(number) : undefined);
    });
  });
