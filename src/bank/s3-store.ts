import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  GetObjectCommandOutput,
  ListMultipartUploadsCommandOutput,
  PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3';
import type { FoilbankError } from '../errors.js';
import { chunksOf } from './hashing.js';
import { LocalCopies } from './local-copies.js';
import { Peeked } from './peeked.js';
import { isAbsence, isConflict, isLostUpload, isTaken, isUnsupported, s3Fault } from './s3-faults.js';
import type { BankStore, Body, Expected, StoredObject } from './store.js';

export interface S3StoreOptions {
  readonly bucket: string;
  /** Keys begin with it and a slash; '' for none. */
  readonly prefix: string;
  /** Default: as the AWS SDK finds it (AWS_REGION, the shared configuration); us-east-1 with an endpoint. */
  readonly region?: string;
  /** Of another server than Amazon's that speaks S3. */
  readonly endpoint?: string;
  /** Bucket in the path instead of the host name, as many such servers want it. */
  readonly pathStyle?: boolean;
  /** Folder for copies of objects that libraries open as files. */
  readonly cache: string;
  /** Tries of one request, with growing pauses between them. Default 5. */
  readonly attempts?: number;
  /** How long a connection may be silent. Default 20 s. */
  readonly timeoutMs?: number;
}

/** Above this an object is uploaded in parts, two at a time: memory stays at a few of them, whatever the object's size. */
const PART_BYTES = 8 << 20;
/** A broken download goes on from where it broke, if any byte came since, this many times. */
const RESUMES = 4;
/** Of the metadata: who wrote the object, so that a repeated request finds that its first try had come through. */
const WRITER = 'foilbank-writer';

const sdk = () => import('@aws-sdk/client-s3');
type Sdk = Awaited<ReturnType<typeof sdk>>;

/**
 * A store in an S3 bucket. Objects appear whole by S3's own promise; `writeNew` is a put on condition that the key is free
 * (`If-None-Match: *`), which the server must honour: Amazon S3, MinIO and R2 do. Credentials come by the AWS SDK's default
 * chain. The SDK is loaded with the first request.
 */
export class S3Store implements BankStore {
  readonly location: string;
  readonly #options: S3StoreOptions;
  readonly #copies: LocalCopies;
  #loaded: Promise<{ s3: Sdk; client: S3Client }> | undefined;

  constructor(options: S3StoreOptions) {
    const { bucket, prefix, region, endpoint, pathStyle, cache } = options;
    const query = Object.entries({ region, endpoint, pathStyle: pathStyle ? '1' : undefined })
      .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]))
      .join('&');
    this.location = `s3://${bucket}${prefix && `/${prefix}`}${query && `?${query}`}`;
    this.#options = options;
    this.#copies = new LocalCopies(cache);
  }

  async read(key: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const response = await this.#unlessAbsent(key, () => this.#get(key));
    return response && this.#chunks(key, response);
  }

  async #get(key: string, more: { Range?: string; IfMatch?: string } = {}): Promise<GetObjectCommandOutput> {
    const { s3, client } = await this.#load();
    return client.send(new s3.GetObjectCommand({ ...this.#object(key), ...more }));
  }

  async *#chunks(key: string, response: GetObjectCommandOutput): AsyncIterable<Uint8Array> {
    const { ETag: etag, ContentLength: bytes = 0 } = response;
    let at = 0;
    for (let failures = 0; ; ) {
      try {
        for await (const chunk of chunksOf(response.Body as Readable)) {
          at += chunk.byteLength;
          failures = 0;
          yield chunk;
        }
        if (at >= bytes) return;
        throw Object.assign(new Error('the connection closed early'), { code: 'ECONNRESET' });
      } catch (error) {
        if (at >= bytes) return;
        if (++failures > RESUMES) throw this.#fault(key, error);
      }
      await sleep(100 * failures);
      response = await this.#resume(key, at, etag);
    }
  }

  /** The rest of an object, from a byte on, if it still is the object whose beginning was read. */
  async #resume(key: string, at: number, etag: string | undefined): Promise<GetObjectCommandOutput> {
    try {
      const condition = etag === undefined ? {} : { IfMatch: etag };
      const rest = await this.#get(key, { Range: `bytes=${at}-`, ...condition });
      // Not every server heeds both headers.
      if (rest.ETag === etag && rest.ContentRange?.startsWith(`bytes ${at}-`)) return rest;
      (rest.Body as Readable).destroy();
      throw Object.assign(new Error('it was replaced while it was read'), { code: 'ECONNRESET' });
    } catch (error) {
      throw this.#fault(key, error);
    }
  }

  async write(key: string, body: Body): Promise<void> {
    await this.#put(key, body, {});
  }

  async writeNew(key: string, body: Body): Promise<boolean> {
    return this.#put(key, body, { IfNoneMatch: '*' });
  }

  async #put(key: string, body: Body, condition: { IfNoneMatch?: string }): Promise<boolean> {
    const writer = randomUUID();
    const params = { ...this.#object(key), ...condition, Metadata: { [WRITER]: writer } };
    const source = new Peeked(body);
    try {
      const whole = await source.upTo(PART_BYTES);
      if (whole) await this.#putWhole({ ...params, Body: whole });
      else await this.#putParts(params, source);
      return true;
    } catch (error) {
      if (source.error !== undefined) throw this.#fault(key, source.error);
      if (!(isTaken(error) || isConflict(error) || isLostUpload(error))) throw this.#fault(key, error);
      const holder = await this.#writerOf(key);
      if (holder === writer) return true;
      if (holder !== undefined && condition.IfNoneMatch) return false;
      throw this.#fault(key, error);
    } finally {
      await source.close();
    }
  }

  async #putWhole(params: PutObjectCommandInput): Promise<void> {
    const { s3, client } = await this.#load();
    for (let conflicts = 0; ; conflicts++) {
      try {
        await client.send(new s3.PutObjectCommand(params));
        return;
      } catch (error) {
        // Another conditional write of the key is under way: only its end decides.
        if (!isConflict(error) || conflicts === RESUMES) throw error;
        await sleep(50 * 2 ** conflicts);
      }
    }
  }

  async #putParts(params: PutObjectCommandInput, source: Peeked): Promise<void> {
    const { client } = await this.#load();
    const { Upload } = await import('@aws-sdk/lib-storage');
    const stream = Readable.from(source.chunks(), { objectMode: false });
    const upload = new Upload({
      ...{ client, partSize: PART_BYTES, queueSize: 2 },
      params: { ...params, Body: stream },
    });
    await upload.done().finally(() => stream.destroy());
  }

  /** @returns undefined when there is no object */
  async #writerOf(key: string): Promise<string | undefined> {
    const { s3, client } = await this.#load();
    const head = await this.#unlessAbsent(key, () =>
      client.send(new s3.HeadObjectCommand(this.#object(key))),
    );
    return head && (head.Metadata?.[WRITER] ?? '');
  }

  async stat(key: string): Promise<StoredObject | undefined> {
    const { s3, client } = await this.#load();
    const head = await this.#unlessAbsent(key, () =>
      client.send(new s3.HeadObjectCommand(this.#object(key))),
    );
    return head && { key, bytes: head.ContentLength ?? 0, modified: head.LastModified ?? new Date(0) };
  }

  async list(folder: string): Promise<readonly StoredObject[]> {
    const found: StoredObject[] = [];
    // A key that ends in a slash is a folder that some console made.
    for await (const { Contents = [] } of this.#pages(folder, {}))
      for (const { Key = '', Size = 0, LastModified = new Date(0) } of Contents)
        if (!Key.endsWith('/'))
          found.push({ key: Key.slice(this.#key('').length), bytes: Size, modified: LastModified });
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async folders(folder: string): Promise<readonly string[]> {
    const prefix = this.#folder(folder);
    const found: string[] = [];
    for await (const { CommonPrefixes = [] } of this.#pages(folder, { Delimiter: '/' }))
      for (const { Prefix = '' } of CommonPrefixes) found.push(Prefix.slice(prefix.length, -1));
    return found.sort();
  }

  async *#pages(folder: string, more: { Delimiter?: string }) {
    const { s3, client } = await this.#load();
    const input = { Bucket: this.#options.bucket, Prefix: this.#folder(folder), ...more };
    try {
      yield* s3.paginateListObjectsV2({ client }, input);
    } catch (error) {
      throw this.#fault(folder, error);
    }
  }

  async remove(key: string): Promise<void> {
    const { s3, client } = await this.#load();
    await this.#unlessAbsent(key, () => client.send(new s3.DeleteObjectCommand(this.#object(key))));
  }

  async localFile(key: string, expected?: Expected): Promise<string> {
    return this.#copies.file(key, () => this.read(key), expected);
  }

  /** Uploads in parts that nobody finished: they are invisible, and cost what they hold. */
  async sweep(folder: string, before: Date): Promise<void> {
    const { s3, client } = await this.#load();
    const { bucket: Bucket } = this.#options;
    let at: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined = {};
    try {
      while (at) {
        const page: ListMultipartUploadsCommandOutput = await client.send(
          new s3.ListMultipartUploadsCommand({ Bucket, Prefix: this.#folder(folder), ...at }),
        );
        for (const { Key, UploadId, Initiated = new Date() } of page.Uploads ?? [])
          if (Initiated < before)
            await client.send(new s3.AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
        const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
        at = page.IsTruncated && KeyMarker ? { KeyMarker, UploadIdMarker } : undefined;
      }
    } catch (error) {
      // Another sweep was faster, or the server keeps no list of uploads.
      if (isAbsence(error) || isUnsupported(error)) return;
      throw this.#fault(folder, error);
    }
  }

  #load(): Promise<{ s3: Sdk; client: S3Client }> {
    this.#loaded ??= sdk().then((s3) => ({ s3, client: this.#client(s3) }));
    return this.#loaded;
  }

  #client(s3: Sdk): S3Client {
    const { endpoint, pathStyle = false, attempts = 5, timeoutMs = 20_000 } = this.#options;
    const region = this.#options.region ?? (endpoint === undefined ? undefined : 'us-east-1');
    return new s3.S3Client({
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...{ forcePathStyle: pathStyle, maxAttempts: attempts, retryMode: 'standard' },
      // Every object is checked by a hash of our own, and not every server knows the checksums of the SDK.
      ...{ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
      requestHandler: { connectionTimeout: Math.min(5000, timeoutMs), socketTimeout: timeoutMs },
    });
  }

  #object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#options.bucket, Key: this.#key(key) };
  }

  #key(key: string): string {
    return this.#options.prefix ? `${this.#options.prefix}/${key}` : key;
  }

  #folder(folder: string): string {
    return folder ? `${this.#key(folder)}/` : this.#key('');
  }

  async #unlessAbsent<T>(key: string, call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw this.#fault(key, error);
    }
  }

  #fault(key: string, error: unknown): FoilbankError {
    return s3Fault(this.location, key, error);
  }
}
