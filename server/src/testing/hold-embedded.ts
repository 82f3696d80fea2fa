// A process that tests kill: holds the embedded database of a data directory until its input ends. Prints one line of JSON, either
// { url, superuserUrl, pid, log } or { code, message, log }.

import { startEmbedded } from '../database/embedded.ts';
import { EmbeddedError } from '../database/embedded-error.ts';

const log: string[] = [];
const note = (message: string): void => void log.push(message);
try {
  const database = await startEmbedded({
    dataDir: process.argv[2] ?? '',
    log: { info: note, warn: note, error: note },
  });
  const { url, superuserUrl, pid } = database;
  process.stdout.write(`${JSON.stringify({ url, superuserUrl, pid, log })}\n`);
  process.stdin.resume();
  process.stdin.once('end', () => void database.stop());
} catch (error) {
  const code = error instanceof EmbeddedError ? error.code : 'unexpected';
  process.stdout.write(`${JSON.stringify({ code, message: String(error), log })}\n`);
}
