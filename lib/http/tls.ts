// Certificate, key and authorities from their files, checked before a server gets them.
import fs from 'node:fs/promises';
import {createSecureContext} from 'node:tls';
import {HaError, reasonOf} from '../errors.ts';

export interface TlsFiles {
  /** Certificate of this node with its chain, PEM. */
  readonly cert: string;
  readonly key: string;
  /** Authorities for client certificates, PEM; undefined: none is asked for. */
  readonly ca?: string | undefined;
}

export interface TlsSettings {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
  readonly minVersion: 'TLSv1.2';
  /** A certificate is asked for, not insisted on: passwords do as well. */
  readonly requestCert: boolean;
  readonly rejectUnauthorized: false;
}

/** @throws HaError 'http.badFile' */
export async function readTls({cert, key, ca}: TlsFiles): Promise<TlsSettings> {
  const pem = {
    cert: await read(cert, 'certificate', '--tlsCert'),
    key: await read(key, 'private key', '--tlsKey'),
    ...(ca === undefined ? {} : {ca: await read(ca, 'file of authorities', '--tlsCa')}),
  };
  try {
    createSecureContext(pem);
  } catch (error) {
    throw badFile(
      cert,
      `certificate, key and authorities do not work together: ${reasonOf(error)}`,
      '--tlsCert, --tlsKey and --tlsCa',
      error,
    );
  }
  return {...pem, minVersion: 'TLSv1.2', requestCert: ca !== undefined, rejectUnauthorized: false};
}

async function read(file: string, what: string, option: string): Promise<Buffer> {
  try {
    return await fs.readFile(file);
  } catch (error) {
    throw badFile(file, `the ${what} cannot be read: ${reasonOf(error)}`, option, error);
  }
}

const badFile = (file: string, reason: string, option: string, cause: unknown): HaError<'http.badFile'> =>
  new HaError('http.badFile', {file, reason}, {message: `${file}: ${reason}`, hint: `give PEM files with ${option}`, cause});
