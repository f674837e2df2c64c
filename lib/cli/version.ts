// The version of the package that this file belongs to.
import {createRequire} from 'node:module';

const found: unknown = createRequire(import.meta.url)('../../../package.json');

/** As in package.json. */
export const VERSION =
  typeof found === 'object' && found !== null && 'version' in found && typeof found.version === 'string'
    ? found.version
    : 'unknown';
