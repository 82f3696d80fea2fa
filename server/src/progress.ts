// How far a long piece of work on the command line is: a bar on a terminal, plain lines elsewhere.

import { progress as bar } from '@clack/prompts';

export interface Progress {
  /** Begins a step of so many parts. */
  begin(what: string, total: number): Step;
  note(text: string): void;
}

export interface Step {
  advance(parts: number): void;
  end(summary: string): void;
}

export const openProgress = (): Progress => (process.stdout.isTTY ? terminalProgress() : plainProgress());

function terminalProgress(): Progress {
  return {
    begin(what, total) {
      const shown = bar({ max: Math.max(1, total), style: 'heavy' });
      shown.start(what);
      return { advance: (parts) => shown.advance(parts), end: (summary) => shown.stop(summary) };
    },
    note: (text) => void process.stdout.write(`${text}\n`),
  };
}

/** A line at the start, at each quarter of a long step, and at its end. */
export function plainProgress(
  write: (line: string) => void = (line) => void process.stdout.write(`${line}\n`),
): Progress {
  return {
    begin(what, total) {
      write(`${what}: ${total.toLocaleString('en')}`);
      let done = 0;
      return {
        advance(parts) {
          const before = Math.floor((4 * done) / total);
          done += parts;
          const after = Math.floor((4 * done) / total);
          if (after > before && after < 4) write(`${what}: ${after * 25} %`);
        },
        end: write,
      };
    },
    note: write,
  };
}
