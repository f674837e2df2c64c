// What may be sent a second time: what was never sent, and what does no more when it is done twice.

/** RFC 9110, 9.2.2, but TRACE, which fetch never sends. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

export const isIdempotent = (method: string): boolean => IDEMPOTENT.has(method.toUpperCase());

/** What failed in one of these calls never went over a connection; the code alone does not tell: a connection may break with EHOSTUNREACH. */
const BEFORE_SENDING: ReadonlySet<unknown> = new Set(['connect', 'getaddrinfo']);

/** Whether the server cannot have seen anything of a request that failed with this. What is not known to be so counts as sent. */
export function wasNeverSent(error: unknown): boolean {
  // fetch wraps what went wrong; a host of several addresses fails with one error for each.
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every(wasNeverSent);
  if (!(error instanceof Error)) return false;
  if ('syscall' in error && BEFORE_SENDING.has(error.syscall)) return true;
  if ('code' in error && error.code === 'UND_ERR_CONNECT_TIMEOUT') return true;
  return error.cause !== undefined && wasNeverSent(error.cause);
}

/** @throws TypeError whatever fetch would refuse to send at all: a method, a header or a body that it does not allow. */
export function refuseUnsendable(url: URL, init: RequestInit): void {
  // A stream in the place of the caller's, which stays unread.
  const isUsed = init.body instanceof ReadableStream && init.body.locked;
  const body = isUsed || isRepeatable(init.body) ? init.body : new ReadableStream();
  new Request(url, body === undefined ? init : {...init, body});
}

/** A stream is gone once it has been read. */
export const isRepeatable = (body: unknown): boolean =>
  body === undefined ||
  body === null ||
  typeof body === 'string' ||
  body instanceof ArrayBuffer ||
  ArrayBuffer.isView(body) ||
  body instanceof URLSearchParams ||
  body instanceof FormData ||
  body instanceof Blob;
