// A store that speaks as much of S3 as backups need, in memory, and as strictly: signatures (version 4) are verified, parts but the last have
// 5 MiB or more, an upload shows once it is complete, lists go in pages.

import { createHash, createHmac, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const MIN_PART_BYTES = 5 * 1024 ** 2;
const PAGE = 2;

export interface TestBucket {
  endpoint: string;
  bucket: string;
  keyId: string;
  keySecret: string;
  objects: Map<string, Buffer>;
  /** Of uploads that were neither completed nor aborted. */
  uploads: Map<string, { key: string; parts: Map<number, Buffer> }>;
  /** Answers 503 to so many requests from now on. */
  fail(times: number): void;
  /** Refuses that part of each upload. */
  refuseParts(number: number): void;
  stop(): Promise<void>;
}

/** The variables of backups that go there. */
export const variablesOf = ({ endpoint, bucket, keyId, keySecret }: TestBucket): Record<string, string> => ({
  BACKUP_TO: `s3://${bucket}/grandstand/eu`,
  BACKUP_ENDPOINT: endpoint,
  AWS_ACCESS_KEY_ID: keyId,
  AWS_SECRET_ACCESS_KEY: keySecret,
});

interface Asked {
  method: string;
  key: string;
  query: URLSearchParams;
  body: Buffer;
}

class Refused extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

export async function startTestBucket(): Promise<TestBucket> {
  const bucket: TestBucket = {
    endpoint: '',
    bucket: 'backups',
    keyId: 'AKIDEXAMPLE',
    keySecret: 'a/secret+of=the-store',
    objects: new Map(),
    uploads: new Map(),
    fail: (times) => (failing = times),
    refuseParts: (number) => (refusedPart = String(number)),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  let failing = 0;
  let refusedPart = '';
  const server = createServer((request, response) => {
    answer(bucket, request, response, (part) => (failing-- > 0 ? 503 : part === refusedPart ? 403 : undefined)).catch(
      (error: unknown) => {
        const { status, code } = error instanceof Refused ? error : new Refused(500, String(error));
        response.writeHead(status, { 'content-type': 'application/xml' });
        response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  bucket.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on a port
  return bucket;
}

async function answer(
  bucket: TestBucket,
  request: IncomingMessage,
  response: ServerResponse,
  isFailing: (part: string | null) => number | undefined,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer); // a request yields nothing else
  const { pathname, searchParams: query } = new URL(request.url ?? '/', bucket.endpoint);
  const failure = isFailing(query.get('partNumber'));
  if (failure !== undefined) throw new Refused(failure, failure === 503 ? 'SlowDown' : 'AccessDenied');
  verify(bucket, request, pathname, query);
  const [, name, ...rest] = pathname.split('/');
  if (name !== bucket.bucket) throw new Refused(404, 'NoSuchBucket');
  const asked = {
    method: request.method ?? '',
    key: decodeURIComponent(rest.join('/')),
    query,
    body: Buffer.concat(chunks),
  };
  const body = act(bucket, asked);
  response.writeHead(asked.method === 'DELETE' ? 204 : 200, {
    etag: `"${md5(asked.method === 'PUT' ? asked.body : body)}"`,
    'content-type': query.size > 0 ? 'application/xml' : 'application/octet-stream',
  });
  response.end(body);
}

function act(bucket: TestBucket, asked: Asked): Buffer {
  const { method, key, query, body } = asked;
  if (key === '' && method === 'GET') return list(bucket, query);
  if (query.has('uploads') && method === 'POST') {
    const id = randomUUID();
    bucket.uploads.set(id, { key, parts: new Map() });
    return xml(
      'InitiateMultipartUploadResult',
      `<Bucket>${bucket.bucket}</Bucket><Key>${key}</Key><UploadId>${id}</UploadId>`,
    );
  }
  const id = query.get('uploadId');
  if (id !== null) return upload(bucket, id, asked);
  if (method === 'PUT') bucket.objects.set(key, body);
  else if (method === 'DELETE') bucket.objects.delete(key);
  else return bucket.objects.get(key) ?? refuse(404, 'NoSuchKey');
  return Buffer.alloc(0);
}

function upload(bucket: TestBucket, id: string, { method, key, query, body }: Asked): Buffer {
  const found = bucket.uploads.get(id);
  if (found?.key !== key) throw new Refused(404, 'NoSuchUpload');
  if (method === 'PUT') found.parts.set(Number(query.get('partNumber')), body);
  else bucket.uploads.delete(id);
  if (method !== 'POST') return Buffer.alloc(0);
  const named = [...body.toString().matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = '']) => ({
    number: Number(/<PartNumber>(\d+)</.exec(part)?.[1]),
    etag: /<ETag>(?:&quot;|")?([0-9a-f]{32})/.exec(part)?.[1],
  }));
  const parts = named.map(({ number, etag }, index) => {
    const bytes = found.parts.get(number);
    if (number !== index + 1 || bytes === undefined || md5(bytes) !== etag) throw new Refused(400, 'InvalidPart');
    if (index < named.length - 1 && bytes.length < MIN_PART_BYTES) throw new Refused(400, 'EntityTooSmall');
    return bytes;
  });
  bucket.objects.set(key, Buffer.concat(parts));
  return xml(
    'CompleteMultipartUploadResult',
    `<Location>x</Location><Bucket>${bucket.bucket}</Bucket><Key>${key}</Key><ETag>"${md5(body)}-${parts.length}"</ETag>`,
  );
}

function list({ objects, bucket }: TestBucket, query: URLSearchParams): Buffer {
  const prefix = query.get('prefix') ?? '';
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
  const from = Number(query.get('continuation-token') ?? 0);
  const isCut = from + PAGE < keys.length;
  const rows = keys
    .slice(from, from + PAGE)
    .map(
      (key) =>
        `<Contents><Key>${key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"${md5(objects.get(key) ?? Buffer.alloc(0))}"</ETag><Size>${objects.get(key)?.length ?? 0}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
    );
  const next = isCut ? `<NextContinuationToken>${from + PAGE}</NextContinuationToken>` : '';
  return xml(
    'ListBucketResult',
    `<Name>${bucket}</Name><Prefix>${prefix}</Prefix><KeyCount>${rows.length}</KeyCount><IsTruncated>${isCut}</IsTruncated>${next}${rows.join('')}`,
  );
}

/** As Amazon describes it, from the request as it came. */
function verify(
  { keyId, keySecret }: TestBucket,
  { method = '', headers }: IncomingMessage,
  path: string,
  query: URLSearchParams,
): void {
  const [, credential = '', signedHeaders = '', signature = ''] =
    /^AWS4-HMAC-SHA256 Credential=(\S+?), ?SignedHeaders=(\S+?), ?Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    ) ?? refuse(403, 'AccessDenied');
  const [id, day = '', region = '', service = '', end] = credential.split('/');
  if (id !== keyId || service !== 's3' || end !== 'aws4_request') throw new Refused(403, 'InvalidAccessKeyId');
  if (!signedHeaders.split(';').includes('host')) throw new Refused(403, 'AccessDenied');
  const canonical = [
    method,
    path,
    [...query]
      .map(([key, value]) => `${encode(key)}=${encode(value)}`)
      .sort()
      .join('&'),
    ...signedHeaders.split(';').map((name) => `${name}:${String(headers[name]).trim()}`),
    '',
    signedHeaders,
    String(headers['x-amz-content-sha256']),
  ].join('\n');
  const toSign = [
    'AWS4-HMAC-SHA256',
    String(headers['x-amz-date']),
    `${day}/${region}/s3/aws4_request`,
    sha256(canonical),
  ].join('\n');
  let key: Buffer | string = `AWS4${keySecret}`;
  for (const part of [day, region, 's3', 'aws4_request']) key = createHmac('sha256', key).update(part).digest();
  if (createHmac('sha256', key).update(toSign).digest('hex') !== signature)
    throw new Refused(403, 'SignatureDoesNotMatch');
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('hex');
const xml = (name: string, content: string): Buffer =>
  Buffer.from(`<?xml version="1.0" encoding="UTF-8"?><${name}>${content}</${name}>`);
function refuse(status: number, code: string): never {
  throw new Refused(status, code);
}
