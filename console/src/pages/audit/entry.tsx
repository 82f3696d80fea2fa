// One entry of the audit log: field by field what was before and after, and what was sent.

import type { AuditEntry } from '@grandstand/sdk/server';
import { Link } from 'wouter';
import { useApplication } from '../../session.tsx';
import { Time } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { Id } from '../../ui/copy.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { actionLabel, pageOf } from './words.ts';

export function EntryDialog({ entry, onClose }: { entry: AuditEntry; onClose: () => void }) {
  const { href } = useApplication();
  const { object, actor, before, after, request } = entry;
  const page = object ? pageOf(object) : undefined;
  const hasDiff = before !== undefined || after !== undefined;
  return (
    <Dialog
      title={actionLabel(entry.action)}
      wide
      onClose={onClose}
      foot={
        <Button look="primary" onClick={onClose}>
          Close
        </Button>
      }
    >
      <dl className="facts">
        <dt>When</dt>
        <dd>
          <Time at={entry.at} />
        </dd>
        <dt>Who</dt>
        <dd className="name">
          <bdi>{actor.name}</bdi>
          {actor.kind !== 'producer' && <span className="muted"> ({actor.kind})</span>}
          {entry.address !== null && <span className="muted"> from {entry.address}</span>}
        </dd>
        {object && (
          <>
            <dt>What</dt>
            <dd className="name">
              {object.type.replaceAll('_', ' ')}{' '}
              {page !== undefined ? (
                <Link href={href(page)}>
                  <bdi>{object.name ?? object.id}</bdi>
                </Link>
              ) : (
                <bdi>{object.name ?? object.id ?? ''}</bdi>
              )}
            </dd>
          </>
        )}
        <dt>Operation</dt>
        <dd>
          <code>{entry.action}</code>
        </dd>
        {entry.request_id !== null && (
          <>
            <dt>Request</dt>
            <dd>
              <Id value={entry.request_id} label="request id" />
            </dd>
          </>
        )}
      </dl>
      {hasDiff && <Changes before={before} after={after} />}
      {request !== undefined && (
        <div className="stack" style={{ '--gap': '8px' } as React.CSSProperties}>
          <h3>What was sent</h3>
          <pre className="text-block small" tabIndex={0} role="region" aria-label="What was sent">
            {JSON.stringify(request, null, 2)}
          </pre>
        </div>
      )}
      {!hasDiff && request === undefined && <p className="muted">Nothing more was kept of it.</p>}
    </Dialog>
  );
}

/** Of two objects the fields that differ; of anything else both as they are. */
function Changes({ before, after }: { before: unknown; after: unknown }) {
  const [was, is] = [fieldsOf(before), fieldsOf(after)];
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter(
    (name) => JSON.stringify(was[name]) !== JSON.stringify(is[name]),
  );
  if (names.length === 0) return <p className="muted">Every field was left as it was.</p>;
  return (
    <div className="table-wrap seen" tabIndex={0} role="region" aria-label="What changed">
      <table className="difference">
        <caption className="visually-hidden">What changed, field by field</caption>
        <thead>
          <tr>
            <th scope="col">Field</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
          </tr>
        </thead>
        <tbody>
          {names.map((name) => (
            <tr key={name}>
              <th scope="row" className="name">
                {name.replaceAll('_', ' ')}
              </th>
              <td className="name">{shown(was[name])}</td>
              <td className="name marked">{shown(is[name])}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const fieldsOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>) // JSON objects have string keys
    : value === undefined
      ? {}
      : { value };

function shown(value: unknown): string {
  if (value === undefined || value === null || value === '') return '–';
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}
