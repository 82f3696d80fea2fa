// Backups in a bucket of a store that speaks S3 (Amazon, MinIO, R2, Ceph …), addressed by paths. A file goes up in parts, since its
// size may be beyond what one request takes; it is there once all of them are, or not at all.

import { createWriteStream } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { S3mini, type UploadPart } from 's3mini';
import type { BucketTarget } from '../backup-config.ts';
import { errorCode } from '../database/embedded-error.ts';
import type { BackupStore } from './backup-store.ts';

const MiB = 1024 ** 2;
/** All parts but the last are of one size, which some stores insist on, and there are at most 10,000. */
const PART_BYTES = 16 * MiB;
const MOST_PARTS = 10_000;
const TRIES = 3;

export function bucketStore(target: BucketTarget): BackupStore {
  const place = `s3://${target.bucket}/${target.prefix}`;
  const s3 = new S3mini({
    accessKeyId: target.keyId,
    secretAccessKey: target.keySecret,
    endpoint: `${target.endpoint}/${target.bucket}`,
    region: target.region,
  });
  const at = (name: string): string => target.prefix + name;
  const asked = <T>(what: string, ask: () => Promise<T>): Promise<T> =>
    again(ask).catch((error: unknown) => {
      throw new Error(`${what} in ${place} failed: ${reasonOf(error)}`, { cause: error });
    });
  const absent = (name: string): never => {
    throw new Error(`${name} is not in ${place}`);
  };

  return {
    place,
    workFolder: undefined,
    async list() {
      const found = await asked('listing backups', () => s3.listObjects('/', target.prefix));
      if (found === null) throw new Error(`there is no bucket ${target.bucket} at ${target.endpoint}`);
      return found.flatMap(({ Key: key, Size: bytes }) =>
        key.startsWith(target.prefix) ? [{ name: key.slice(target.prefix.length), bytes: Number(bytes) }] : [],
      );
    },
    async put(name, file) {
      const { size } = await stat(file);
      const partBytes = Math.max(PART_BYTES, Math.ceil(size / MOST_PARTS / MiB) * MiB);
      const upload = await asked('beginning a backup', () => s3.getMultipartUploadId(at(name)));
      try {
        const parts: UploadPart[] = [];
        for await (const bytes of partsOf(file, partBytes)) {
          const number = parts.length + 1;
          parts.push(await asked('storing a backup', () => s3.uploadPart(at(name), upload, bytes, number)));
        }
        await asked('ending a backup', () => s3.completeMultipartUpload(at(name), upload, parts));
      } catch (error) {
        // Parts that are left are paid for. Where the store is away they stay, as a rule of its own may say for how long.
        await s3.abortMultipartUpload(at(name), upload).catch(() => {});
        throw error;
      }
      await rm(file);
    },
    async putText(name, text) {
      await asked('storing a report', () => s3.putObject(at(name), text, 'application/json'));
    },
    async fetch(name, folder) {
      const answer = await asked('reading a backup', () => s3.getObjectResponse(at(name)));
      if (!answer?.body) return absent(name);
      const file = join(folder, name);
      // The types of the web's streams and Node's differ in name only.
      const body = Readable.fromWeb(answer.body as ReadableStream<Uint8Array>);
      await pipeline(body, createWriteStream(file, { mode: 0o600 }));
      return file;
    },
    async readText(name) {
      return (await asked('reading a report', () => s3.getObject(at(name)))) ?? absent(name);
    },
    async remove(name) {
      await asked('deleting a backup', () => s3.deleteObject(at(name)));
    },
  };
}

async function* partsOf(file: string, size: number): AsyncGenerator<Buffer> {
  const source = await open(file, 'r');
  try {
    for (let position = 0; ;) {
      const { buffer, bytesRead } = await source.read(Buffer.alloc(size), 0, size, position);
      // An empty file has one part, too.
      if (bytesRead > 0 || position === 0) yield buffer.subarray(0, bytesRead);
      position += bytesRead;
      if (bytesRead < size) return;
    }
  } finally {
    await source.close();
  }
}

/** What the store refuses stays refused; what passes by itself is tried again at once, and by the next round. */
async function again<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      const status = error instanceof Error && 'status' in error ? Number(error.status) : 0;
      if (attempt === TRIES || (status >= 400 && status < 500)) throw error;
    }
  }
}

/** Fetch itself says only that it failed. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error ? `${error.message} (${errorCode(cause) ?? cause.message})` : error.message;
}
