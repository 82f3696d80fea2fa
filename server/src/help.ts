// What `--help` shows: the command, and the variables that every command reads. In colours on a terminal, without them
// in a pipe.

import { stripVTControlCharacters } from 'node:util';
import { renderUsage, type ArgsDef, type CommandDef } from 'citty';
import { VARIABLES } from './config.ts';

const WIDTH = 100;

export async function showHelp<T extends ArgsDef>(command: CommandDef<T>, parent?: CommandDef<T>): Promise<void> {
  const usage = await renderUsage(command, parent);
  const { name } = (command as { meta?: { name?: string } }).meta ?? {}; // ours are no functions
  const isAboutServer = name === 'grandstand' || name === 'start';
  const text = plainInPipes(`${usage}\n${isAboutServer ? `\n${variables()}` : ''}`, process.stdout);
  process.stdout.write(text.split('\n').map(fitted).join('\n'));
}

/** A line that is too long goes on below the place where its last column begins, or after one of its commands. */
function fitted(line: string): string {
  if (stripVTControlCharacters(line).length <= WIDTH) return line;
  const indent = (/^ *\S.*? {2,}(?=\S)/.exec(stripVTControlCharacters(line))?.[0] ?? '    ').length;
  let column = 0;
  return line
    .split(/(?<=[ |])/)
    .map((word) => {
      const { length } = stripVTControlCharacters(word);
      const isOver = column + length > WIDTH;
      column = (isOver ? indent : column) + length;
      return isOver ? `\n${' '.repeat(indent)}${word}` : word;
    })
    .join('')
    .replace(/ +$/gm, '');
}

/** The text as this stream shows it. */
export const plainInPipes = (text: string, stream: NodeJS.WriteStream): string =>
  stream.isTTY && stream.hasColors() ? text : stripVTControlCharacters(text).replace(/ +$/gm, '');

function variables(): string {
  const names = Object.keys(VARIABLES) as (keyof typeof VARIABLES)[]; // its own keys
  const width = Math.max(...names.map((name) => name.length)) + 2;
  const lines = names.map((name) => `  ${name.padEnd(width)}${VARIABLES[name].replaceAll('`', '')}`);
  return `VARIABLES, read from the environment by every command\n\n${lines.join('\n')}\n`;
}
