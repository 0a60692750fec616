import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import envPaths from 'env-paths';
import { FoilbankError, reasonOf } from '../errors.js';
import { FileStore } from './file-store.js';
import { S3Store, type S3StoreOptions } from './s3-store.js';
import type { BankStore } from './store.js';

/** Two letters at least: one is a drive of Windows. */
const SCHEME = /^([a-z][a-z0-9+.-]+):/i;
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PATH = /^[a-z0-9._/-]*$/i;
const PARAMETERS = ['region', 'endpoint', 'pathStyle'];

/**
 * The store at a location: a directory (its path or `file:` URL) or an S3 bucket
 * (`s3://bucket/prefix?region=…&endpoint=…&pathStyle=1`). Nothing is read yet.
 *
 * @throws FoilbankError FB_STORE_LOCATION_INVALID
 */
export function openStore(
  location: string,
  options: Partial<Pick<S3StoreOptions, 'cache' | 'attempts' | 'timeoutMs'>> = {},
): BankStore {
  const scheme = SCHEME.exec(location)?.[1]?.toLowerCase();
  if (location === '') throw invalid(location, 'it is empty');
  if (scheme === undefined) return new FileStore(location);
  const url = URL.canParse(location) ? new URL(location) : undefined;
  if (!url) throw invalid(location, 'it is no URL');
  if (scheme === 'file') return new FileStore(pathOf(url, location));
  if (scheme === 's3') return new S3Store({ cache: defaultCache(), ...options, ...bucketOf(url, location) });
  throw invalid(location, `a store is a directory, file: or s3:, not ${scheme}:`);
}

const defaultCache = (): string => join(envPaths('foilbank').cache, 'store');

function pathOf(url: URL, location: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw invalid(location, reasonOf(error));
  }
}

function bucketOf(url: URL, location: string): Omit<S3StoreOptions, 'cache'> {
  if (url.username || url.password)
    throw invalid(
      location,
      'credentials do not belong into it: the AWS SDK finds them (AWS_ACCESS_KEY_ID, profiles, roles)',
    );
  if (!BUCKET.test(url.host)) throw invalid(location, 'a bucket has 3 to 63 of a-z, 0-9, dot and dash');
  if (!PATH.test(url.pathname)) throw invalid(location, 'its path may hold letters, digits, dot, dash and _');
  for (const name of url.searchParams.keys())
    if (!PARAMETERS.includes(name)) throw invalid(location, `it takes ${PARAMETERS.join(', ')}, not ${name}`);
  const [region, endpoint, pathStyle] = PARAMETERS.map((name) => url.searchParams.get(name) ?? undefined);
  if (endpoint !== undefined && !isEndpoint(endpoint))
    throw invalid(location, 'endpoint must be a plain http: or https: address');
  if (pathStyle !== undefined && pathStyle !== '1' && pathStyle !== '0')
    throw invalid(location, 'pathStyle is 1 or 0');
  return {
    bucket: url.host,
    prefix: url.pathname.replace(/^\/+|\/+$/g, ''),
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    pathStyle: pathStyle === '1',
  };
}

function isEndpoint(endpoint: string): boolean {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  return url !== undefined && ['http:', 'https:'].includes(url.protocol) && !url.username && !url.search;
}

/** What is before the query, and a host only where it is no more than that: passwords are not for logs. */
function invalid(location: string, reason: string): FoilbankError {
  const shown = location.replace(/\?.*$/s, '').replace(/\/\/(?![a-z0-9._-]*(\/|$))[^/]*/i, '//…');
  return new FoilbankError('FB_STORE_LOCATION_INVALID', { location: JSON.stringify(shown), reason });
}
