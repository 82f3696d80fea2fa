// What the tests' processes are told so that it is another time or place for them: Node, Chromium and the embedded PostgreSQL
// alike. The clock is moved by a fixed distance (clock.c, on Linux), so all of them agree; what waits or measures goes on as it was.
// libfaketime moves more than that: under it Chromium hangs, and PostgreSQL's lock_timeout and statement_timeout never come.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OPTIONS = ['--clock', '--tz', '--locale'];

/** Takes `--clock`, `--tz` and `--locale` out of the arguments; the rest is vitest's. */
export function readPlace(args) {
  const place = {};
  const rest = [];
  for (let index = 0; index < args.length; index++) {
    const [option, joined] = args[index].split('=', 2);
    if (!OPTIONS.includes(option)) rest.push(args[index]);
    else {
      const value = joined ?? args[++index];
      if (!value) throw new Error(`${option} needs a value, such as ${EXAMPLES[option]}`);
      place[option.slice(2)] = value;
    }
  }
  if (place.clock !== undefined) readClock(place.clock);
  if (place.tz !== undefined) checkZone(place.tz);
  if (place.locale !== undefined) checkLocale(place.locale);
  return { place, rest };
}

const EXAMPLES = {
  '--clock': '23:59 (today, UTC) or 2028-02-29T02:30Z',
  '--tz': 'Asia/Kathmandu',
  '--locale': 'tr_TR.UTF-8',
};

/** The environment of a process that starts now. */
export function placeEnvironment({ clock, tz, locale }) {
  return {
    ...(tz !== undefined && { TZ: tz }),
    ...(locale !== undefined && { LC_ALL: locale, LANG: locale }),
    ...(clock !== undefined && {
      LD_PRELOAD: compileClock(),
      TEST_CLOCK_OFFSET: String(Math.round((readClock(clock) - Date.now()) / 1000)),
    }),
  };
}

/** In milliseconds since 1970. */
function readClock(text) {
  const time = /^\d\d:\d\d(:\d\d)?$/.test(text);
  const instant = Date.parse(time ? `${new Date().toISOString().slice(0, 10)}T${text}Z` : text);
  if (Number.isNaN(instant) || (!time && !/(Z|[+-]\d\d:\d\d)$/.test(text)))
    throw new Error(`--clock ${text} is no instant; it takes ${EXAMPLES['--clock']}`);
  return instant;
}

function checkZone(zone) {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
  } catch {
    throw new Error(`--tz ${zone} is no time zone; it takes one such as ${EXAMPLES['--tz']}`);
  }
}

/** The C library knows it, too; Node alone would take any. */
function checkLocale(locale) {
  const has = () => {
    const { stdout } = spawnSync('locale', ['-a'], { encoding: 'utf8' });
    const plain = (name) => name.toLowerCase().replace('utf-8', 'utf8');
    return (stdout ?? '').split('\n').some((name) => plain(name) === plain(locale));
  };
  if (has()) return;
  const [name, charset = 'UTF-8'] = locale.split('.');
  spawnSync('localedef', ['-i', name, '-f', charset, locale]);
  if (!has())
    throw new Error(
      `--locale ${locale} is not on this machine; on Debian: apt-get install locales && localedef -i ${name} -f ${charset} ${locale}`,
    );
}

/** Where the user that PostgreSQL runs as can read it, too. */
function compileClock() {
  if (process.platform !== 'linux') throw new Error('--clock works on Linux only');
  const folder = mkdtempSync(join(tmpdir(), 'grandstand-clock-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  const library = join(folder, 'clock.so');
  const source = fileURLToPath(new URL('clock.c', import.meta.url));
  const { status, error, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`--clock needs a C compiler, cc: ${error?.message ?? stderr}`);
  return library;
}
