// The options that doctor alone has, as they were typed.
import {isIP} from 'node:net';
import {HaError} from '../errors.ts';
import {RACE_MAX} from '../doctor/partner-words.ts';
import type {Call} from './command.ts';

/** How often what may go wrong is tried, if nothing else is asked for: some seconds on an ordinary mount. */
export const ROUNDS = 200;
/** How long a doctor waits for the one on another host, ms. */
export const SERVE_WAIT_MS = 600_000;

/** @throws HaError config.invalid */
export function roundsOf({argv}: Call): number {
  const given = argv['rounds'];
  if (given === undefined) return ROUNDS;
  const rounds = typeof given === 'string' && /^\d{1,6}$/.test(given) ? Number(given) : 0;
  if (rounds < 1 || rounds > RACE_MAX) throw invalid('rounds', given, `a whole number from 1 to ${RACE_MAX}`);
  return rounds;
}

/** @throws HaError config.invalid */
export function urlOf({argv}: Call): string | undefined {
  const given = argv['with'];
  if (given === undefined) return undefined;
  if (typeof given !== 'string' || !isPartnerUrl(given))
    throw invalid('with', given, 'the URL that "ha-agent doctor --serve" printed on the other host');
  return given;
}

/** @throws HaError config.invalid */
export function placeOf({argv}: Call): {readonly address: string; readonly port: number} | undefined {
  const given = argv['serve'];
  if (given === undefined) return undefined;
  if (argv['with'] !== undefined) throw invalid('serve', given, 'either --serve or --with: each is for one of the two hosts');
  const found = typeof given === 'string' ? /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(given) : null;
  const [address, port] = [found?.[1] ?? found?.[2] ?? '', Number(found?.[3] ?? 0)];
  const known = found?.[1] === undefined ? address !== '' : isIP(address) === 6;
  if (!known || port > 65_535)
    throw invalid('serve', given, 'an address of this host, and a port if you like: 10.0.0.12, 10.0.0.12:7000, [fd00::12]:7000');
  return {address, port};
}

function isPartnerUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const {protocol, username, password} = new URL(text);
  return protocol === 'http:' && username === '' && password === '';
}

const invalid = (key: string, given: unknown, expected: string): HaError =>
  new HaError(
    'config.invalid',
    {problems: [{key, where: `option --${key}`, found: JSON.stringify(given), expected}]},
    {message: 'the command line has a fault', hint: '"ha-agent doctor --help" shows every option'},
  );
