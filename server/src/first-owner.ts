// The file that holds the link which makes the first owner, where no terminal shows it. Servers on one folder share it.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FIRST_OWNER_FILE } from './data-files.ts';

/** The token of the link that stands in the file, whether it is still good or not. */
export async function readFirstOwnerToken(dataDir: string): Promise<string | undefined> {
  const text = await readFile(join(dataDir, FIRST_OWNER_FILE), 'utf8').catch(() => '');
  return /\/invitation#([A-Za-z0-9]+)\s*$/.exec(text)?.[1];
}
