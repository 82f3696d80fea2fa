// Runs a page of the documentation as its reader would: files are saved, commands typed one after the other into a terminal that keeps
// its variables. What a block is, a comment above it says; a reader sees none of them.
//   <!-- file: NAME -->        saved under this name
//   <!-- third terminal -->    goes on beside the others
//   <!-- not run: REASON -->

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Block {
  language: string;
  text: string;
  /** What the comment above it says; '' without. */
  note: string;
}

export function readBlocks(page: string): Block[] {
  const text = readFileSync(join(import.meta.dirname, '../..', page), 'utf8');
  return [...text.matchAll(/(?:<!-- (.*) -->\n)?^```(\w*)\n([\s\S]*?)^```$/gm)].map(
    ([, note = '', language = '', body = '']) => ({ language, text: body, note }),
  );
}

export const fileOf = ({ note }: Block): string | undefined => /^file: (\S+)$/.exec(note)?.[1];

export interface Terminal {
  /** Types it in, and resolves with what it printed; fails where a command of it fails. */
  run(text: string): Promise<string>;
  /** Types it in, and resolves once it has printed this. */
  start(text: string, printed: string): Promise<void>;
  /** Resolves once all that it printed has this in it. */
  printed(text: string): Promise<void>;
  close(): Promise<void>;
}

export function openTerminal(cwd: string, env: Record<string, string>): Terminal {
  // A group of its own, so that what it started ends with it.
  const shell = spawn('bash', ['-euo', 'pipefail'], { cwd, env: { ...process.env, ...env }, detached: true });
  let output = '';
  let isClosed = false;
  const listeners = new Set<() => void>();
  const tell = (): void => listeners.forEach((listener) => listener());
  for (const stream of [shell.stdout, shell.stderr])
    stream.setEncoding('utf8').on('data', (data: string) => {
      output += data;
      tell();
    });
  const closed = new Promise<void>((resolve) => {
    shell.once('close', () => {
      isClosed = true;
      tell();
      resolve();
    });
  });
  const until = (isThere: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!isThere() && !isClosed) return;
        listeners.delete(look);
        if (isThere()) resolve();
        else reject(new Error(`the terminal ended after this:\n${output}`));
      };
      listeners.add(look);
      look();
    });
  let commands = 0;
  const printed = (text: string): Promise<void> => until(() => output.includes(text));
  return {
    async run(text) {
      const begin = output.length;
      const mark = `— ${++commands} —`;
      shell.stdin.write(`${text}\necho '${mark}'\n`);
      await printed(mark);
      return output.slice(begin).replace(mark, '');
    },
    async start(text, what) {
      shell.stdin.write(`${text}\n`);
      await printed(what);
    },
    printed,
    async close() {
      if (!isClosed && shell.pid !== undefined) process.kill(-shell.pid, 'SIGKILL');
      await closed;
    },
  };
}
