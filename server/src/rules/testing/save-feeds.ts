// Gives the groups of a saved world a past: who came and went, ending with who is in them.

import { sql, type Queryable } from '../../database/database.ts';
import { formatInstant, type Instant } from '../../instant.ts';
import type { Random } from '../../testing/random.ts';
import type { Profile, World } from './world.ts';

interface Turn {
  at: Instant;
  change: 'entered' | 'left';
}

/** Resolves with who was in which groups when, and the instants at which somebody came or went. */
export async function saveFeeds(
  db: Queryable,
  random: Random,
  world: World,
): Promise<{ groupsAt: (profile: Profile, at: Instant) => string[]; instants: Instant[] }> {
  const between = (): Instant => world.start + random.below((world.end - world.start) / 1000) * 1000;
  const turns = new Map<string, Turn[]>();
  for (const [index, group] of world.groups.entries()) {
    const head = 5 + index; // as save-world makes them
    const switches = Array.from({ length: head + 2 }, between).sort((a, b) => a - b);
    for (const [epoch, at] of switches.entries())
      await db.query(sql`
        insert into group_epochs (group_id, epoch, base_sequence, switched_at, cause) values (${group}, ${epoch}, 0, ${formatInstant(at)}, 'rule')`);
    let number = 0;
    const add = (profile: Profile, epoch: number, { change, at }: Turn): Promise<unknown> => {
      const told = switches[epoch] === at && random.chance(0.5) ? null : formatInstant(at);
      return db.query(sql`
        insert into changes (group_id, epoch, number, profile_id, ordinal, change, at, cause)
        values (${group}, ${epoch}, ${++number}, ${profile.id}, ${profile.ordinal}, ${change}, ${told}, 'clock')`);
    };
    for (const profile of world.profiles) {
      const length = 2 * random.below(3) + (profile.groups.includes(group) ? 1 : 0);
      const epochs = Array.from({ length }, () => random.below(head + 1)).sort((a, b) => a - b);
      const times = epochs
        .map((epoch) => (random.chance(0.5) ? (switches[epoch] ?? 0) : between()))
        .sort((a, b) => a - b);
      const theirs = times.map((at, turn): Turn => ({ at, change: turn % 2 === 0 ? 'entered' : 'left' }));
      turns.set(`${group} ${profile.id}`, theirs);
      for (const [turn, each] of theirs.entries()) await add(profile, epochs[turn] ?? 0, each);
      if (random.chance(0.3)) await add(profile, head + 1, { at: between(), change: 'entered' }); // not yet to be seen
    }
  }
  const groupsAt = (profile: Profile, at: Instant): string[] =>
    world.groups.filter(
      (group) => turns.get(`${group} ${profile.id}`)?.findLast((turn) => turn.at <= at)?.change === 'entered',
    );
  return { groupsAt, instants: [...turns.values()].flatMap((theirs) => theirs.map(({ at }) => at)) };
}
