// What is answered when a request cannot be served: Brooklyn's ApiError, and which failure becomes which status.
import type {ContentfulStatusCode} from 'hono/utils/http-status';
import {Refused} from '../agent/status.ts';
import {HaError, isHaError} from '../errors.ts';

export interface ApiError {
  readonly message: string;
  readonly details?: string;
  /** The status of the response. */
  readonly error: number;
}

/** A request that is answered with this status and sentence. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly status: ContentfulStatusCode;
  readonly details: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: ContentfulStatusCode, message: string, more: {details?: string; headers?: Record<string, string>} = {}) {
    super(message);
    this.status = status;
    this.details = more.details;
    this.headers = more.headers ?? {};
  }
}

/** @returns undefined for a bug: something that nobody expects to be thrown. */
export function faultOf(error: unknown): Fault | undefined {
  if (error instanceof Fault) return error;
  if (error instanceof Refused) return new Fault(409, error.message);
  if (!(error instanceof HaError)) return undefined;
  const conflict = ['cluster.refused', 'cluster.noSuch', 'cluster.masterLives'] as const;
  const status = conflict.some((code) => isHaError(error, code)) ? 409 : 503;
  return new Fault(status, error.message, {details: error.hint});
}

export const apiError = ({status, message, details}: Fault): ApiError => ({
  message,
  ...(details === undefined ? {} : {details}),
  error: status,
});
