import { defineCommand, type CommandDef } from 'citty';
import { describe, expect, it } from 'vitest';
import { UsageError, checkArguments } from './arguments.ts';

const create = defineCommand({
  args: {
    name: { type: 'positional', required: true },
    app: { type: 'string' },
    'read-only': { type: 'boolean', default: false },
  },
});
const program = defineCommand({
  subCommands: { token: defineCommand({ subCommands: { create } }), restore: defineCommand({}) },
}) as CommandDef;
const problem = (line: string): string | undefined => {
  try {
    checkArguments(program, line.split(' '));
    return undefined;
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
};

describe('the arguments of a command', () => {
  it('may stand in any order', () => {
    for (const line of [
      'token create import',
      'token create --read-only import',
      'token create import --app season --read-only',
      'token create import --app=season --no-read-only',
      'token create -- --import',
      'restore',
    ])
      expect([line, problem(line)]).toEqual([line, undefined]);
  });

  it('that the command does not know are refused instead of passed over', () => {
    for (const [line, what] of [
      ['token create import --readonly', "Unknown option '--readonly'"],
      ['token create import -r', "Unknown option '-r'"],
      ['token create season import', "Unknown argument 'import'"],
      ['token create import --app', "Option '--app <value>' argument missing"],
      ['token create import --read-only=yes', "Option '--read-only' does not take an argument"],
      ['restore file', "Unknown argument 'file'"],
    ] as const)
      expect([line, problem(line)]).toEqual([line, what]);
  });

  it('are left to the program where the command itself is missing or unknown', () => {
    for (const line of ['token', 'token revoke', 'nothing --at --all']) expect(problem(line)).toBeUndefined();
  });
});
