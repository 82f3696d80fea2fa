// What a command was called with, held against what it knows. A mistyped option must not be passed over: without its
// `--read-only` a token may do everything.

import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { ArgsDef, CommandDef, SubCommandsDef } from 'citty';

export class UsageError extends Error {}

/** Throws where a word or an option is none of the command that the words lead to. */
export function checkArguments(command: CommandDef, words: string[]): void {
  const { subCommands, args } = command as { subCommands?: SubCommandsDef; args?: ArgsDef }; // ours are no functions
  const [name = ''] = words;
  if (subCommands) {
    if (Object.hasOwn(subCommands, name)) checkArguments(subCommands[name] as CommandDef, words.slice(1)); // likewise
    return;
  }
  const known = Object.entries(args ?? {});
  const options: ParseArgsConfig['options'] = Object.fromEntries(
    known
      .filter(([, { type }]) => type !== 'positional')
      .map(([option, { type }]) => [option, { type: type === 'boolean' ? 'boolean' : 'string' }]),
  );
  const places = known.filter(([, { type }]) => type === 'positional').length;
  const extra = positionals(words, options)[places];
  if (extra !== undefined) throw new UsageError(`Unknown argument '${extra}'`);
}

function positionals(words: string[], options: ParseArgsConfig['options']): string[] {
  try {
    return parseArgs({ args: words, options, strict: true, allowPositionals: true, allowNegative: true }).positionals;
  } catch (error) {
    // The first sentence says it; the others are about how to write a word that begins with a dash.
    throw new UsageError(error instanceof Error ? (error.message.split('. ', 1)[0] ?? '') : String(error));
  }
}
