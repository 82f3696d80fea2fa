import type { Instant } from '../instant.ts';
import type { Secrets } from '../secrets.ts';
import type { Webhook } from './webhook.ts';

/** What messages are signed with now: while a secret is rotated, the old one too. */
export function secretsOf(
  secrets: Pick<Secrets, 'decrypt'>,
  webhook: Pick<Webhook, 'secret' | 'previous_secret' | 'previous_secret_until'>,
  now: Instant,
): string[] {
  const { secret, previous_secret: previous, previous_secret_until: until } = webhook;
  const signing = previous && until !== null && until > now ? [secret, previous] : [secret];
  return signing.map((each) => secrets.decrypt(each));
}
