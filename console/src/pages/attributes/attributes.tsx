// The catalogue: what rules can ask about. The platform's attributes, and the application's own.

import { useState } from 'react';
import { IconPlus, IconTags } from '@tabler/icons-react';
import { useViewParams } from '../../view-params.ts';
import { useCatalogue, useInvalidate } from '../../queries.ts';
import { conditionLabel } from '../../rules/phrases.ts';
import { TYPE_WORDS } from '../../rules/words.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Attribute, Derivation } from '../../types.ts';
import { Badge, Empty } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/copy.tsx';
import { Confirm, Dialog } from '../../ui/dialog.tsx';
import { Choices, SearchField } from '../../ui/field.tsx';
import { PageHead } from '../../ui/page-head.tsx';
import { Table, type Column } from '../../ui/table.tsx';
import { toast } from '../../ui/toast.tsx';
import { DefineAttribute } from './define.tsx';

type Source = '' | 'custom' | 'platform';

/** `count(comment-created)` in words of people. */
export function derivationText(derivation: Derivation): string {
  const types = derivation.types?.map((type) => (type === '*' ? 'any activity' : type)).join(', ') ?? '';
  const where = derivation.where ? ` where ${derivation.where.key} is ${String(derivation.where.equals)}` : '';
  const parts = derivation.of?.map(derivationText) ?? [];
  switch (derivation.fn) {
    case 'count':
      return `number of ${types}${where}`;
    case 'sum':
      return `sum of the values of ${types}${where}`;
    case 'exists':
      return `whether there is any ${types}${where}`;
    case 'first':
      return `first ${types}${where}`;
    case 'last':
      return `newest ${types}${where}`;
    case 'state':
      return `“${derivation.key ?? ''}” in the newest ${types}`;
    case 'difference':
      return parts.join(' minus ');
    case 'exceeds':
      return parts.join(' is greater than ');
    case 'ratio':
      return parts.join(' divided by ');
    case 'positive':
      return `whether ${parts[0] ?? ''} is above 0`;
    case 'age_in_days':
      return `days since the ${parts[0] ?? ''}`;
    case 'profile':
      return `the profile’s ${derivation.key ?? ''}`;
    default:
      return derivation.fn;
  }
}

export function AttributesPage() {
  const application = useApplication();
  const catalogue = useCatalogue();
  const [params, set] = useViewParams();
  const search = params.get('q') ?? '';
  const source = (params.get('source') ?? '') as Source; // an unknown one finds nothing
  const [dialog, setDialog] = useState<'new' | undefined>(undefined);
  const all = catalogue.data?.results;
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = all
    ?.filter(
      (one) =>
        (source === '' || one.source === source) &&
        words.every((word) =>
          `${one.key} ${one.label} ${one.description} ${one.category}`.toLowerCase().includes(word),
        ),
    )
    .sort(
      (a, b) => Number(b.source === 'custom') - Number(a.source === 'custom') || a.category.localeCompare(b.category),
    );
  const current = all?.find((one) => one.key === params.get('attribute'));
  return (
    <>
      <PageHead
        title="Attributes"
        actions={
          application.canWrite && (
            <Button look="primary" icon={<IconPlus size={16} aria-hidden />} onClick={() => setDialog('new')}>
              New attribute
            </Button>
          )
        }
      >
        What rules can ask about a profile: counted from its activities, or sent by your own systems.
      </PageHead>
      <div className="toolbar">
        <SearchField label="Search attributes" value={search} onChange={(event) => set({ q: event.target.value })} />
        <Choices<Source>
          label="Source"
          value={source}
          onChange={(value) => set({ source: value })}
          choices={[
            { value: '', label: 'All' },
            { value: 'custom', label: 'Your own' },
            { value: 'platform', label: 'Platform' },
          ]}
        />
      </div>
      <section className="card" aria-label="Catalogue of attributes">
        <Table
          columns={COLUMNS}
          rows={rows}
          of={catalogue}
          sectionOf={({ category }) => category.replaceAll('_', ' ')}
          empty={
            search === '' && source === 'custom' ? (
              <Empty icon={<IconTags size={34} aria-hidden />} title="None of your own yet">
                Define what your systems know of a fan, such as a subscription or a favourite team, or a count over
                activities that the platform does not have.
              </Empty>
            ) : (
              <Empty icon={<IconTags size={34} aria-hidden />} title="No attribute matches">
                Try a word of its name, such as “comments” or “tier”.
              </Empty>
            )
          }
        >
          {(one) => (
            <tr key={one.key} className="linked">
              <td>
                <button
                  type="button"
                  className="row-link plain-button name"
                  onClick={() => set({ attribute: one.key })}
                >
                  {one.label}
                </button>
                <div className="muted small mono name">{one.key}</div>
              </td>
              <td className="muted wide name">
                {one.description || (one.derived_from ? derivationText(one.derived_from) : 'Sent by your systems.')}
              </td>
              <td className="fit">
                <span className="row">
                  <Badge>{TYPE_WORDS[one.type] ?? one.type}</Badge>
                  {one.ready === false && <Badge tone="info">counting the past</Badge>}
                </span>
              </td>
            </tr>
          )}
        </Table>
      </section>
      {current && <AttributeDialog attribute={current} onClose={() => set({ attribute: '' })} />}
      {dialog === 'new' && <DefineAttribute onClose={() => setDialog(undefined)} />}
    </>
  );
}

const COLUMNS: Column[] = [
  { head: 'Attribute', skeleton: '50%' },
  { head: 'Meaning', skeleton: '70%' },
  { head: 'Type', skeleton: 60 },
];

function AttributeDialog({ attribute, onClose }: { attribute: Attribute; onClose: () => void }) {
  const application = useApplication();
  const { client } = useSession();
  const invalidate = useInvalidate();
  const [step, setStep] = useState<'show' | 'edit' | 'delete'>('show');
  const list = application.path('profile-attributes/');
  if (step === 'edit') return <DefineAttribute attribute={attribute} onClose={onClose} />;
  if (step === 'delete') {
    return (
      <Confirm
        title={`Delete “${attribute.label}”?`}
        action="Delete the definition"
        name={attribute.key}
        onClose={onClose}
        run={async () => {
          await client.request(`${list}${encodeURIComponent(attribute.key)}/`, { method: 'DELETE' });
          await invalidate(list);
          toast(`“${attribute.label}” was deleted.`);
        }}
      >
        Rules can no longer ask about it. What stands on profiles under this key stays there. While a rule reads it, it
        cannot be deleted.
      </Confirm>
    );
  }
  const own = attribute.source === 'custom' && application.canWrite;
  return (
    <Dialog
      title={attribute.label}
      onClose={onClose}
      foot={
        own && (
          <>
            <Button danger onClick={() => setStep('delete')}>
              Delete…
            </Button>
            <Button look="primary" onClick={() => setStep('edit')}>
              Edit
            </Button>
          </>
        )
      }
    >
      {attribute.description && <p className="muted name">{attribute.description}</p>}
      <dl className="facts">
        <dt>Key</dt>
        <dd className="row">
          <code className="name">{attribute.key}</code>
          <CopyButton text={attribute.key} label="Copy the key" />
        </dd>
        <dt>Type</dt>
        <dd>
          {TYPE_WORDS[attribute.type] ?? attribute.type}
          {attribute.unit && `, in ${attribute.unit}`}
        </dd>
        <dt>Comes from</dt>
        <dd className="name">
          {attribute.derived_from ? derivationText(attribute.derived_from) : 'your own systems, or the profile itself'}
        </dd>
        <dt>Rules may ask</dt>
        <dd>{attribute.conditions.map((condition) => conditionLabel(condition, attribute)).join(', ')}</dd>
        <dt>Over a period</dt>
        <dd>{attribute.supports_window ? 'yes, such as in the last 7 days' : 'no'}</dd>
        <dt>Without any</dt>
        <dd>
          {attribute.missing === null ? 'no value' : attribute.missing === false ? 'no' : String(attribute.missing)}
        </dd>
        {attribute.choices && (
          <>
            <dt>Values</dt>
            <dd className="name">{attribute.choices.join(', ')}</dd>
          </>
        )}
        <dt>Written by</dt>
        <dd>
          {attribute.derived_from
            ? 'nobody: it is computed'
            : attribute.writable_by === 'profile'
              ? 'the profile itself, and you'
              : 'you alone'}
        </dd>
        <dt>Seen by</dt>
        <dd>
          {{ admin: 'you alone', owner: 'the profile itself, and you', public: 'everybody' }[attribute.visible_to]}
        </dd>
      </dl>
    </Dialog>
  );
}
