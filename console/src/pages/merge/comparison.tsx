// Two profiles side by side, field by field, and what the one that stays would be afterwards.

import { useMemo } from 'react';
import type { MergedProfile } from '@grandstand/sdk/server';
import { formatMoment, formatNumber } from '../../format.ts';
import { useGet } from '../../queries.ts';
import { useAttributes } from '../../rules/words.ts';
import { useApplication } from '../../session.tsx';
import type { Activity, Page, Profile } from '../../types.ts';
import { Skeleton } from '../../ui/bits.tsx';

interface Row {
  label: string;
  source: string;
  target: string;
  /** Undefined while the dry run is on its way. */
  after: string | undefined;
}

interface ComparisonProps {
  source: Profile;
  target: Profile;
  after: MergedProfile | undefined;
}

export function Comparison({ source, target, after }: ComparisonProps) {
  const counts = [useActivityCount(source.id), useActivityCount(target.id)];
  const attributes = useAttributeRows(source, target, after?.profile);
  const moment = (at: string | null): string => (at === null ? 'never' : formatMoment(at));
  const of = (read: (profile: Profile) => string): Omit<Row, 'label'> => ({
    source: read(source),
    target: read(target),
    after: after && read(after.profile),
  });
  const [ofSource, ofTarget] = counts;
  const rows: Row[] = [
    { label: 'Nickname', ...of(({ nickname }) => nickname) },
    { label: 'Custom id', ...of((profile) => profile.custom_id ?? 'none') },
    { label: 'Created', ...of((profile) => moment(profile.created_at)) },
    { label: 'Last active', ...of((profile) => moment(profile.last_active_at)) },
    {
      label: 'Activities',
      source: ofSource === undefined ? '…' : formatNumber(ofSource),
      target: ofTarget === undefined ? '…' : formatNumber(ofTarget),
      after: after && (ofTarget === undefined ? '…' : formatNumber(ofTarget + after.activities)),
    },
    ...attributes,
    { label: 'Custom data', ...of((profile) => shorten(profile.custom_data ?? '')) },
  ];
  return (
    <section className="card" aria-labelledby="compare-heading">
      <div className="card-head">
        <h2 id="compare-heading">Side by side</h2>
        {after && after.duplicates > 0 && (
          <span className="muted small">
            {formatNumber(after.duplicates)} activities have ids that both have; the one that stays keeps its own.
          </span>
        )}
      </div>
      <div className="table-wrap" tabIndex={0} role="region" aria-label="Both profiles, field by field">
        <table className="table compare">
          <thead>
            <tr>
              <th scope="col">
                <span className="visually-hidden">Field</span>
              </th>
              <th scope="col">Is merged</th>
              <th scope="col">Stays</th>
              <th scope="col">Afterwards</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.label}>
                <th scope="row" className="name">
                  {row.label}
                </th>
                <Cell text={row.source} />
                <Cell text={row.target} />
                {row.after === undefined ? (
                  <td>
                    <Skeleton width="60%" />
                  </td>
                ) : (
                  <Cell text={row.after} isNew={row.after !== row.target} />
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {after && after.attributes_left_out > 0 && (
        <p className="pad muted">
          {formatNumber(after.attributes_left_out)} pairs find no room in the profile that stays and are dropped.
        </p>
      )}
    </section>
  );
}

function Cell({ text, isNew = false }: { text: string; isNew?: boolean }) {
  return (
    <td className={isNew ? 'chosen' : undefined}>
      {text === '' ? <span className="faint">–</span> : <bdi className="name pre">{text}</bdi>}
    </td>
  );
}

const shorten = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

function useActivityCount(id: string): number | undefined {
  const { path } = useApplication();
  const activities = useGet<Page<Activity>>(path(`profiles/${id}/activities/`), { page_size: 1 }, { keep: false });
  return activities.data?.count ?? undefined;
}

/** Of every key that one of them has, its values. */
function useAttributeRows(source: Profile, target: Profile, after: Profile | undefined): Row[] {
  const { attributes } = useAttributes();
  return useMemo(() => {
    const labels = new Map(attributes?.map((one) => [one.key, one.label]));
    const keys = new Set([...target.attributes, ...source.attributes].map(({ key }) => key));
    const values = (profile: Profile, key: string): string =>
      profile.attributes
        .filter((pair) => pair.key === key)
        .map(({ value }) => value)
        .join('\n');
    return [...keys].map((key) => ({
      label: labels.get(key) ?? key,
      source: values(source, key),
      target: values(target, key),
      after: after && values(after, key),
    }));
  }, [attributes, source, target, after]);
}
