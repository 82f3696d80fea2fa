// A file that a passphrase opens: AES-256-GCM in chunks under a key of its own, so that it is written and read as a stream and
// nothing of it is used that was not proved. A chunk is numbered and the last one says so: none can be left out, moved or
// cut off. Header: magic, salt, what scrypt was told, and a proof of the passphrase, so that a wrong one is told from damage.

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Transform, type TransformCallback } from 'node:stream';
import { EmbeddedError } from './embedded-error.ts';

const MAGIC = Buffer.from('GRANDSTAND SEALED 1\n');
const SALT_BYTES = 16;
const PROOF_BYTES = 16;
const HEADER_BYTES = MAGIC.length + SALT_BYTES + 1 + PROOF_BYTES;
const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
/** Of scrypt: 128 MiB and about half a second a guess. */
const COST_LOG2 = 17;
/** A header may ask for so much and no more: 1 GiB. */
const MAX_COST_LOG2 = 20;
const BLOCK_SIZE = 8;
export const MIN_PASSPHRASE = 12;

interface Keys {
  header: Buffer;
  key: Buffer;
}

/** What takes the content and gives the sealed file. */
export async function sealing(passphrase: string): Promise<Transform> {
  const salt = randomBytes(SALT_BYTES);
  const { key, proof } = await derive(passphrase, salt, COST_LOG2);
  const header = Buffer.concat([MAGIC, salt, Buffer.of(COST_LOG2), proof]);
  const stream = inChunks(CHUNK_BYTES, (chunk, number, isLast) => {
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number, isLast));
    cipher.setAAD(header);
    return Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()]);
  });
  stream.push(header);
  return stream;
}

export async function isSealed(path: string): Promise<boolean> {
  return (await readStart(path, MAGIC.length)).equals(MAGIC);
}

/** The content of a sealed file. Fails with `wrong-passphrase`; what is damaged fails while it is read. */
export async function openSealed(
  path: string,
  passphrase: string,
): Promise<[source: NodeJS.ReadableStream, Transform]> {
  const { header, key } = await readHeader(path, passphrase);
  const stream = inChunks(CHUNK_BYTES + TAG_BYTES, (chunk, number, isLast) => {
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number, isLast));
    decipher.setAAD(header);
    decipher.setAuthTag(chunk.subarray(Math.max(0, chunk.length - TAG_BYTES)));
    return Buffer.concat([decipher.update(chunk.subarray(0, -TAG_BYTES)), decipher.final()]);
  });
  return [createReadStream(path, { start: HEADER_BYTES }), stream];
}

async function readHeader(path: string, passphrase: string): Promise<Keys> {
  const header = await readStart(path, HEADER_BYTES);
  const cost = header[MAGIC.length + SALT_BYTES] ?? 0;
  if (header.length < HEADER_BYTES || cost === 0 || cost > MAX_COST_LOG2)
    throw new EmbeddedError('bad-backup', `${path} cannot be restored: it is damaged or cut off. Use another backup.`);
  const { key, proof } = await derive(passphrase, header.subarray(MAGIC.length, MAGIC.length + SALT_BYTES), cost);
  if (!timingSafeEqual(proof, header.subarray(-PROOF_BYTES)))
    throw new EmbeddedError(
      'wrong-passphrase',
      `${path} was encrypted with another passphrase than the one given. Nothing was changed.`,
    );
  return { header, key };
}

async function readStart(path: string, length: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function derive(passphrase: string, salt: Buffer, costLog2: number): Promise<{ key: Buffer; proof: Buffer }> {
  const N = 2 ** costLog2;
  const options = { N, r: BLOCK_SIZE, p: 1, maxmem: 128 * BLOCK_SIZE * N * 2 };
  const root = await new Promise<Buffer>((resolve, reject) =>
    scrypt(passphrase.normalize('NFC'), salt, 32, options, (error, key) => (error ? reject(error) : resolve(key))),
  );
  const part = (name: string, length: number): Buffer => Buffer.from(hkdfSync('sha256', root, salt, name, length));
  return { key: part('grandstand backup: content', 32), proof: part('grandstand backup: proof', PROOF_BYTES) };
}

/** Never twice under one key: each file has its own salt, each chunk its number. */
function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(number, 5, 6);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

/** Hands over pieces of this size; the last one, which may be shorter or empty, once nothing follows. */
function inChunks(size: number, convert: (chunk: Buffer, number: number, isLast: boolean) => Buffer): Transform {
  let pending: Buffer[] = [];
  let length = 0;
  let number = 0;
  return new Transform({
    transform(this: Transform, bytes: Buffer, _encoding, done: TransformCallback) {
      try {
        pending.push(bytes);
        length += bytes.length;
        if (length > size) {
          const all = Buffer.concat(pending, length);
          let at = 0;
          for (; all.length - at > size; at += size) this.push(convert(all.subarray(at, at + size), number++, false));
          pending = [all.subarray(at)];
          length = all.length - at;
        }
        done();
      } catch (error) {
        done(error as Error); // of convert
      }
    },
    flush(this: Transform, done: TransformCallback) {
      try {
        done(null, convert(Buffer.concat(pending, length), number, true));
      } catch (error) {
        done(error as Error); // likewise
      }
    },
  });
}
