import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FileStore, openStore, S3Store } from '../../../src/bank/index.js';
import { resolveConfig } from '../../../src/config.js';

describe('a store location', () => {
  it('that is a path or a file: URL is a directory', () => {
    for (const location of ['some/banks', pathToFileURL('some/banks').href]) {
      const store = openStore(location);
      expect(store).toBeInstanceOf(FileStore);
      expect(store.location).toBe(resolve('some/banks'));
    }
  });

  it('that is an s3: URL is a bucket, and its location opens it again', () => {
    for (const location of [
      's3://foils',
      's3://foils/some/banks',
      's3://foils/banks?region=eu-central-1',
      's3://foils/banks?region=auto&endpoint=http://127.0.0.1:9000&pathStyle=1',
    ]) {
      const store = openStore(location);
      expect(store).toBeInstanceOf(S3Store);
      expect(store.location).toBe(location);
    }
    expect(openStore('s3://foils//banks/').location).toBe('s3://foils/banks');
  });

  it.each([
    ['', 'empty'],
    ['https://foils.example/banks', 'not https:'],
    ['redis://host', 'not redis:'],
    ['s3://', 'bucket'],
    ['s3://Foils_/x', 'bucket'],
    ['s3://foils/x?acl=public', 'not acl'],
    ['s3://foils/x?endpoint=ftp://host', 'endpoint'],
    ['s3://foils/x?pathStyle=yes', 'pathStyle'],
    ['s3://foils/%ff', 'path'],
    ['file://host/banks', 'File URL host'],
  ])('%j is refused: %s', (location, reason) => {
    expect(() => openStore(location)).toThrow(
      expect.objectContaining({
        code: 'FB_STORE_LOCATION_INVALID',
        details: expect.objectContaining({ reason: expect.stringContaining(reason) }),
      }),
    );
  });

  it('with credentials is refused without repeating them', () => {
    for (const location of [
      's3://key:secret@foils/banks',
      's3://foils/banks?secretAccessKey=secret',
      's3://foils/banks?endpoint=http://key:secret@host',
      's3://foils:secret/banks',
    ]) {
      let message = '';
      try {
        openStore(location);
      } catch (error) {
        message = String(error);
      }
      expect(message).toContain('cannot be opened');
      expect(message).not.toMatch(/secret\b|:secret/);
    }
  });

  it('keeps its form in the configuration, and a path becomes absolute', () => {
    expect(resolveConfig({ FOILBANK_STORE: 's3://foils/banks' }).store).toBe('s3://foils/banks');
    expect(resolveConfig({}, { store: 'banks' }).store).toBe(resolve('banks'));
    expect(resolveConfig({}, { store: 'file:///banks' }).store).toBe('file:///banks');
  });
});
