// Where a service answers, as it is published to other hosts and written into the configuration of proxies.

export interface ServiceAddress {
  readonly scheme: 'http' | 'https' | 'tcp';
  /** A name or an address; one of IPv6 without its brackets. */
  readonly host: string;
  readonly port: number;
}

const SERVICE_URI =
  /^(http|https|tcp):\/\/(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?))(?::(\d{1,5}))?\/?$/;

/** @returns undefined for anything else than scheme, host and port: what comes from the store is data, and goes into files. */
export function parseServiceUri(uri: string): ServiceAddress | undefined {
  const [, scheme, ipv6, name, digits] = SERVICE_URI.exec(uri) ?? [];
  const host = ipv6 ?? name;
  if ((scheme !== 'http' && scheme !== 'https' && scheme !== 'tcp') || host === undefined) return undefined;
  const port = digits === undefined ? usualPort(scheme) : Number(digits);
  return port !== undefined && port >= 1 && port <= 65_535 ? {scheme, host, port} : undefined;
}

const usualPort = (scheme: ServiceAddress['scheme']): number | undefined =>
  scheme === 'tcp' ? undefined : scheme === 'https' ? 443 : 80;

export const isServiceUri = (uri: string): uri is string => parseServiceUri(uri) !== undefined;
