// `grandstand doctor`: looks at settings, machine and database, and says what to do.

import { defineCommand } from 'citty';
import { ConfigError, readConfig, type Config } from '../config.ts';
import { examineInstallation } from '../doctor/doctor.ts';
import type { Finding } from '../doctor/finding.ts';

export const doctorCommand = defineCommand({
  meta: {
    name: 'doctor',
    description:
      'Look at settings, machine and database, changing nothing. Ends with 2 after errors, 1 after warnings.',
  },
  args: { json: { type: 'boolean', default: false, description: 'As JSON.' } },
  async run({ args }) {
    const findings = await look();
    process.stdout.write(args.json ? `${JSON.stringify({ findings }, null, 2)}\n` : describe(findings));
    const has = (level: Finding['level']): boolean => findings.some((finding) => finding.level === level);
    process.exitCode = has('error') ? 2 : has('warning') ? 1 : 0;
  },
});

async function look(): Promise<Finding[]> {
  let config: Config;
  try {
    config = readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const why = 'The server does not start with it.';
    return [
      {
        check: 'settings',
        level: 'error',
        what: error.message,
        why,
        action: 'Set it right; grandstand --help lists the variables.',
      },
    ];
  }
  return examineInstallation(config);
}

function describe(findings: Finding[]): string {
  if (findings.length === 0) return 'Nothing to mend.\n';
  return findings
    .map(
      ({ level, check, what, why, action }) =>
        `${level.toUpperCase()} ${check}\n  ${what}\n  Why: ${why}\n  Do:  ${action}\n`,
    )
    .join('\n');
}
