import { useEffect, useState } from 'react';
import { messageOf } from '../../api.ts';
import { formatNumber } from '../../format.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Group, Member, Page } from '../../types.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { csvCell } from './ids.ts';

/** Reads all members page by page and hands them over as a CSV file. */
export function DownloadMembers({ group, onClose }: { group: Group; onClose: () => void }) {
  const { client } = useSession();
  const { path } = useApplication();
  const [done, setDone] = useState(0);
  const [total, setTotal] = useState(group.profile_count);
  const [href, setHref] = useState<string | undefined>(undefined);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const address = path(`profile-groups/${group.id}/members/`);

  useEffect(() => {
    const stop = new AbortController();
    let url: string | undefined;
    const read = async (): Promise<void> => {
      const parts = ['profile_id,custom_id,nickname,member_since\n'];
      let count = 0;
      for (let next: string | null = address; next !== null;) {
        const page: Page<Member> = await client.request<Page<Member>>(next, {
          signal: stop.signal,
          ...(next === address && { query: { page_size: 1000 } }),
        });
        parts.push(
          page.results
            .map((row) =>
              [row.id, csvCell(row.custom_id ?? ''), csvCell(row.nickname), row.membership_created_at].join(','),
            )
            .join('\n'),
          '\n',
        );
        count += page.results.length;
        setDone(count);
        if (page.count !== null) setTotal(page.count);
        next = page.next;
      }
      url = URL.createObjectURL(new Blob(parts, { type: 'text/csv' }));
      setHref(url);
    };
    read().catch((error: unknown) => {
      if (!stop.signal.aborted) setProblem(messageOf(error));
    });
    return () => {
      stop.abort();
      if (url) URL.revokeObjectURL(url);
    };
  }, [client, address]);

  return (
    <Dialog
      title="Download members"
      problem={problem}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>{href ? 'Close' : 'Cancel'}</Button>
          {href && (
            <a
              className="button primary"
              href={href}
              download={`${group.name.replaceAll(/[^\p{L}\p{N}]+/gu, '-').slice(0, 60) || 'members'}.csv`}
            >
              Save the file
            </a>
          )}
        </>
      }
    >
      <div className="stack" role="status">
        <p>
          {href
            ? `${formatNumber(done)} members are ready.`
            : `Reading ${formatNumber(done)} of ${formatNumber(total)}…`}
        </p>
        <div
          className="progress"
          role="progressbar"
          aria-label="Progress"
          aria-valuemin={0}
          aria-valuemax={total}
          aria-valuenow={done}
        >
          <div style={{ width: `${href ? 100 : total === 0 ? 0 : (done / total) * 100}%` }} />
        </div>
      </div>
    </Dialog>
  );
}
