// The file that a backup is: a gzipped tar that any tar can open, encrypted as a whole where a passphrase is given. First a description, so that an archive of another version is
// refused early; then the files; last a manifest with the size and SHA-256 of each, without which the archive counts as cut off.

import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { type Extract, extract as createExtract, pack as createPack, type Pack } from 'tar-stream';
import { EmbeddedError, errorCode } from './embedded-error.ts';
import { isSealed, openSealed, sealing } from './sealed-file.ts';

export interface Description {
  format: 1;
  created_at: string;
  postgres: number;
}

/** One file of an archive that is being read. */
type Entry = Extract extends AsyncIterable<infer Source> ? Source : never;

interface ManifestEntry {
  name: string;
  size: number;
  sha256: string;
}

const DESCRIPTION = 'grandstand-backup.json';
const MANIFEST = 'manifest.json';
const CHUNK_BYTES = 256 * 1024;
/** Enough for the small files that are read whole: description, manifest, keys. */
const SMALL_BYTES = 64 * 1024 * 1024;

export interface ArchiveWriter {
  directory(name: string): Promise<void>;
  text(name: string, content: string | Buffer): Promise<void>;
  /** The bytes that the file has now, though it may grow or shrink meanwhile; false when it is gone. */
  file(name: string, path: string): Promise<boolean>;
}

/** Writes what `produce` adds. Resolves to the number of files once everything is on disk. */
export async function writeArchive(
  path: string,
  description: Description,
  produce: (archive: ArchiveWriter) => Promise<void>,
  passphrase?: string,
): Promise<number> {
  const sealed = passphrase === undefined ? undefined : await sealing(passphrase);
  const pack = createPack();
  // Most of a database compresses well at any level, and the server runs on the same cores.
  const output = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true });
  const zip = createGzip({ level: 3 });
  const written = sealed ? pipeline(pack, zip, sealed, output) : pipeline(pack, zip, output);
  const manifest: ManifestEntry[] = [];
  const writer = archiveWriter(pack, manifest);
  const fill = async (): Promise<void> => {
    await addText(pack, DESCRIPTION, Buffer.from(`${JSON.stringify(description, null, 2)}\n`));
    await produce(writer);
    await addText(pack, MANIFEST, Buffer.from(JSON.stringify(manifest)));
    pack.finalize();
  };
  try {
    // When the disk fills up, `written` fails first and nothing more is taken from `fill`.
    await Promise.all([fill(), written]);
    return manifest.length;
  } catch (error) {
    pack.destroy();
    await written.catch(() => undefined);
    throw error;
  }
}

function archiveWriter(pack: Pack, manifest: ManifestEntry[]): ArchiveWriter {
  return {
    directory(name) {
      return new Promise((resolve, reject) => {
        pack.entry({ name, type: 'directory', mode: 0o700 }, (error) => (error ? reject(error) : resolve()));
      });
    },
    async text(name, content) {
      const bytes = Buffer.from(content);
      manifest.push({ name, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
      await addText(pack, name, bytes);
    },
    async file(name, path) {
      const source = await openIfThere(path);
      if (source === undefined) return false;
      try {
        const { size } = await source.stat();
        const hash = createHash('sha256');
        await pipeline(Readable.from(readExactly(source, size, hash)), pack.entry({ name, size, mode: 0o600 }));
        manifest.push({ name, size, sha256: hash.digest('hex') });
        return true;
      } finally {
        await source.close();
      }
    },
  };
}

function addText(pack: Pack, name: string, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    pack.entry({ name, size: bytes.length, mode: 0o600 }, bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** A file that shrinks is padded with zeros: what was cut off is cut off again when the log is replayed. */
async function* readExactly(
  source: FileHandle,
  size: number,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Buffer> {
  for (let position = 0; position < size;) {
    const wanted = Math.min(CHUNK_BYTES, size - position);
    const buffer = Buffer.alloc(wanted);
    const { bytesRead } = await source.read(buffer, 0, wanted, position);
    const chunk = bytesRead === 0 ? buffer : buffer.subarray(0, bytesRead);
    position += chunk.length;
    hash.update(chunk);
    yield chunk;
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Unpacks into `target`, and fails with `bad-backup` unless every file is there as it was written. */
export async function readArchive(
  path: string,
  target: string,
  check: (description: Description) => void,
  passphrase?: string,
): Promise<{ description: Description; files: number }> {
  const source = await openFile(path, passphrase).catch((error: unknown) => {
    throw readError(error, path);
  });
  const extract = createExtract();
  const unpacking = pipeline([...source, createGunzip(), extract]);
  // Awaited below; a failure of reading reaches the loop as well, and either may come first.
  unpacking.catch(() => undefined);
  const found: ManifestEntry[] = [];
  let description: Description | undefined;
  let manifest: unknown;
  try {
    for await (const entry of extract) {
      const { name, type, size = 0 } = entry.header;
      if (manifest !== undefined) throw badBackup(path, 'something follows its end');
      if (description === undefined) {
        if (name !== DESCRIPTION) throw badBackup(path, 'it is not a backup of Grandstand');
        description = parseDescription(await readSmall(entry, size), path);
        check(description);
      } else if (name === MANIFEST) manifest = JSON.parse((await readSmall(entry, size)).toString('utf8'));
      else if (type === 'directory') {
        await mkdir(join(target, safeName(name, path)), { recursive: true, mode: 0o700 });
        entry.resume();
      } else if (type === 'file') found.push(await unpackFile(entry, safeName(name, path), size, target));
      else throw badBackup(path, `it holds a ${type}`);
    }
    await unpacking;
  } catch (error) {
    extract.destroy();
    throw readError(error, path);
  }
  if (description === undefined) throw badBackup(path, 'it is empty');
  compare(manifest, found, path);
  return { description, files: found.length };
}

/** A backup that anybody could have put in the place of an encrypted one is not taken for it. */
async function openFile(path: string, passphrase: string | undefined): Promise<NodeJS.ReadableStream[]> {
  const sealed = await isSealed(path);
  if (sealed && passphrase === undefined)
    throw new EmbeddedError(
      'wrong-passphrase',
      `${path} is encrypted: name the file of its passphrase with --passphrase-file.`,
    );
  if (!sealed && passphrase !== undefined)
    throw new EmbeddedError(
      'bad-backup',
      `${path} is not encrypted: leave --passphrase-file out if that is as it should be.`,
    );
  return passphrase === undefined ? [createReadStream(path)] : openSealed(path, passphrase);
}

async function unpackFile(entry: Entry, name: string, size: number, target: string): Promise<ManifestEntry> {
  const hash = createHash('sha256');
  const file = join(target, name);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const hashed = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of entry) {
      const bytes = chunk as Buffer; // an entry yields nothing else
      hash.update(bytes);
      yield bytes;
    }
  };
  await pipeline(hashed(), createWriteStream(file, { flags: 'wx', mode: 0o600 }));
  return { name, size, sha256: hash.digest('hex') };
}

function compare(manifest: unknown, found: ManifestEntry[], path: string): void {
  if (!Array.isArray(manifest)) throw badBackup(path, 'its end is missing');
  const expected = new Map((manifest as ManifestEntry[]).map((entry) => [entry.name, entry]));
  for (const { name, size, sha256 } of found) {
    const entry = expected.get(name);
    if (entry?.size !== size || entry.sha256 !== sha256) throw badBackup(path, `${name} is not as it was written`);
    expected.delete(name);
  }
  const [missing] = expected.keys();
  if (missing !== undefined) throw badBackup(path, `${missing} is missing`);
}

function safeName(name: string, path: string): string {
  const plain = name.replace(/\/$/, '');
  const isSafe = plain
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\:\0]/.test(part));
  if (!isSafe) throw badBackup(path, `it holds a file with the name ${JSON.stringify(name)}`);
  return plain;
}

async function readSmall(entry: Entry, size: number): Promise<Buffer> {
  if (size > SMALL_BYTES) throw new Error(`${entry.header.name} is too large`);
  const chunks: Buffer[] = [];
  for await (const chunk of entry) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function parseDescription(bytes: Buffer, path: string): Description {
  const description = JSON.parse(bytes.toString('utf8')) as Partial<Description> | null;
  if (description?.format !== 1 || typeof description.postgres !== 'number') {
    throw badBackup(path, 'it was made by a later version; restore it with that one');
  }
  return { format: 1, created_at: String(description.created_at), postgres: description.postgres };
}

function badBackup(path: string, reason: string, cause?: unknown): EmbeddedError {
  return new EmbeddedError('bad-backup', `${path} cannot be restored: ${reason}. Use another backup.`, cause);
}

function readError(error: unknown, path: string): unknown {
  const code = errorCode(error);
  if (error instanceof EmbeddedError || code === 'ENOSPC' || code === 'EDQUOT') return error;
  if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR') {
    return new EmbeddedError('bad-backup', `${path} cannot be read: ${String(error)}.`, error);
  }
  return badBackup(path, `it is damaged or cut off (${error instanceof Error ? error.message : String(error)})`, error);
}
