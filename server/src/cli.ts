// The command line. Every command reads the same variables as the server and works beside one that runs.

import { defineCommand, runCommand, runMain, type CommandDef } from 'citty';
import { UsageError, checkArguments } from './arguments.ts';
import { appCommand } from './commands/app.ts';
import { auditCommand } from './commands/audit.ts';
import { backupCommand, backupsCommand, restoreCommand } from './commands/backup.ts';
import { doctorCommand } from './commands/doctor.ts';
import { exportCommand } from './commands/export.ts';
import { importFileCommand } from './commands/import.ts';
import { importLiveLikeCommand } from './commands/import-livelike.ts';
import { limitsCommand } from './commands/limits.ts';
import { mergeCommand } from './commands/merge.ts';
import { migrateCommand } from './commands/migrate.ts';
import { sourceCommand } from './commands/source.ts';
import { tokenCommand } from './commands/token.ts';
import { upgradeCommand } from './commands/upgrade.ts';
import { usageCommand } from './commands/usage.ts';
import { demoCommand } from './demo/command.ts';
import { plainInPipes, showHelp } from './help.ts';
import { explain, main } from './main.ts';
import { readVersion } from './version.ts';

const start = defineCommand({
  meta: { name: 'start', description: 'Serve the API and the console, and evaluate groups.' },
  args: { demo: { type: 'boolean', default: false, description: 'Fill in a demo season as well.' } },
  run: ({ args }) => main({ demo: args.demo }),
});

const grandstand = defineCommand({
  meta: { name: 'grandstand', description: 'Profiles and audiences for live fan engagement.' },
  subCommands: {
    start,
    migrate: migrateCommand,
    app: appCommand,
    token: tokenCommand,
    source: sourceCommand,
    demo: demoCommand,
    merge: mergeCommand,
    usage: usageCommand,
    limits: limitsCommand,
    audit: auditCommand,
    import: importFileCommand,
    'import livelike': importLiveLikeCommand,
    export: exportCommand,
    backup: backupCommand,
    backups: backupsCommand,
    restore: restoreCommand,
    upgrade: upgradeCommand,
    doctor: doctorCommand,
  },
});

const rawArgs = process.argv.slice(2);
// A command of two words, beside `import FILE`.
if (rawArgs[0] === 'import' && rawArgs[1] === 'livelike') rawArgs.splice(0, 2, 'import livelike');
// `npx @grandstand/server` in an empty folder is the shortest way to a server.
if (rawArgs.length === 0) rawArgs.push('start');
const asksForHelp = rawArgs.includes('--help') || rawArgs.includes('-h');
if (asksForHelp) await runMain(grandstand, { rawArgs, showUsage: showHelp });
else if (rawArgs[0] === '--version') process.stdout.write(`${readVersion()}\n`);
else {
  try {
    checkArguments(grandstand as CommandDef, rawArgs); // whatever its arguments are
    await runCommand(grandstand, { rawArgs });
  } catch (error) {
    const isUsage = error instanceof UsageError || (error instanceof Error && error.name === 'CLIError');
    const text = isUsage
      ? `${error.message.replace(/\.$/, '')}. \`grandstand --help\` lists the commands.`
      : explain(error);
    process.stderr.write(`${plainInPipes(text, process.stderr)}\n`);
    process.exitCode = 1;
  }
}
