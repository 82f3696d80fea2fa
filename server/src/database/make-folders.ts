import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCode, notWritable } from './embedded-error.ts';

/**
 * As `mkdir -p`. Node's own never ends where a folder is there and yet nothing can be made in it because "there is no such
 * folder", as below /proc: it goes back and forth between the two, and no signal reaches the process.
 */
export function makeFolders(path: string, mode: number): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  if (!existsSync(dirname(path))) makeFolders(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Another process was faster.
    if (errorCode(error) === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
    if (errorCode(error) === 'ENOENT') throw notWritable(error, path);
    throw error;
  }
}
