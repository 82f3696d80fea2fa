// Where the console, the documentation and the example of the SDK lie: inside of the package as it is published, beside the server's folder in the repository.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A folder's path with a slash at its end, seen from server/src/http as from server/dist/http. */
export function findFolder(name: 'console/dist/' | 'sdk/' | 'site/dist/'): string {
  const packaged = fileURLToPath(new URL(`../../${name}`, import.meta.url));
  return existsSync(packaged) ? packaged : fileURLToPath(new URL(`../../../${name}`, import.meta.url));
}
