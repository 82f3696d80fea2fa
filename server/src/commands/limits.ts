// `grandstand limits`: what an application may grow to, shown and changed.

import { defineCommand } from 'citty';
import type { LimitAction } from '../applications/application.ts';
import { ConfigError } from '../config.ts';
import { changeApplication, getLimits } from '../usage/limit-service.ts';
import type { AskedLimits, LimitsResource, LimitState } from '../usage/limits.ts';
import { audited } from './audited.ts';
import { findApplication } from './find-application.ts';
import { withApp } from './open-app.ts';

const FORM = /^([1-9]\d{0,11})(?::(warn|refuse))?$/;

export const limitsCommand = defineCommand({
  meta: { name: 'limits', description: 'Show and change what an application may grow to.' },
  args: {
    app: { type: 'string', description: 'Client id of the application. Default: the first one.' },
    'max-mau': {
      type: 'string',
      description: 'Fans active within 30 days: a number, or with what happens then, 50000:warn or 50000:refuse; none.',
    },
    'max-profiles-per-day': {
      type: 'string',
      description: 'Profiles that apps and sources make on a day, UTC, likewise.',
    },
  },
  async run({ args }) {
    const limits: AskedLimits = {
      ...readLimit('max_mau', '--max-mau', args['max-mau']),
      ...readLimit('max_profiles_per_day', '--max-profiles-per-day', args['max-profiles-per-day']),
    };
    await withApp(async (opened) => {
      const { context } = opened.app;
      const application = await findApplication(context, args.app);
      if (Object.keys(limits).length > 0)
        await audited(context, application, { action: 'updateApplication', request: { limits } }, () =>
          changeApplication(context, application, { limits }),
        );
      process.stdout.write(describe(await getLimits(context, application)));
    });
  },
});

function readLimit(name: keyof AskedLimits, option: string, text: string | undefined): AskedLimits {
  if (text === undefined) return {};
  if (text === 'none') return { [name]: null };
  const [, value, action] = FORM.exec(text) ?? [];
  if (value === undefined)
    throw new ConfigError(
      `${option}: must be a whole number from 1, such as 50000:warn or 50000:refuse, or none; not "${text}".`,
    );
  return { [name]: { value: Number(value), action: (action ?? 'warn') as LimitAction } }; // the form has no other
}

const line = (name: string, state: LimitState | null): string =>
  state === null
    ? `${name}  none\n`
    : `${name}  ${state.used} of ${state.value}, then ${state.action}${state.is_reached ? `; reached, until ${state.ends_at ?? ''}` : ''}\n`;

const describe = (limits: LimitsResource): string =>
  line('max-mau             ', limits.max_mau) + line('max-profiles-per-day', limits.max_profiles_per_day);
