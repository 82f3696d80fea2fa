import type { SourceItem } from '@grandstand/sdk/server';

export const KINDS: Record<string, string> = { segment: 'Segment or RudderStack', livelike: 'LiveLike webhooks' };
export const TRUSTS: Record<string, string> = { server: 'a server', client: 'a page or an app' };

export const OUTCOMES: Record<string, { tone: 'good' | 'bad' | 'warn' | 'plain'; label: string }> = {
  taken: { tone: 'good', label: 'Taken' },
  refused: { tone: 'bad', label: 'Refused' },
  not_mapped: { tone: 'warn', label: 'Not mapped' },
  cut: { tone: 'warn', label: 'Cut' },
};

/** What a call carries, as a person reads it. */
export function pretty(item: SourceItem): string {
  try {
    return JSON.stringify(JSON.parse(item.item), null, 2);
  } catch {
    return item.item; // cut in the middle
  }
}
