// A new source: what it speaks, whom its key is trusted as.

import { useState } from 'react';
import type { Source } from '@grandstand/sdk/server';
import { fieldsOf, restOf } from '../../api.ts';
import { useSend } from '../../queries.ts';
import { useApplication } from '../../session.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Choices, TextField } from '../../ui/field.tsx';

interface FormProps {
  onClose: () => void;
  onCreated: (source: Source & { write_key: string }) => void;
}

export function SourceForm({ onClose, onCreated }: FormProps) {
  const list = useApplication().path('sources/');
  const [name, setName] = useState('');
  const [kind, setKind] = useState('segment');
  const [trust, setTrust] = useState('server');
  const [key, setKey] = useState('');
  const isLiveLike = kind === 'livelike';
  const body = { name, kind, trust: isLiveLike ? 'server' : trust, ...(key !== '' && { write_key: key }) };
  const send = useSend<undefined, Source & { write_key: string }>(
    (client) => client.request(list, { method: 'POST', body }),
    () => [list],
  );
  const errors = fieldsOf(send.error);
  return (
    <Dialog
      title="New source"
      onClose={onClose}
      action="Create the source"
      busy={send.isPending}
      problem={restOf(send.error, ['name', 'write_key'])}
      onSubmit={() =>
        send.mutate(undefined, {
          onSuccess: (source) => {
            onClose();
            onCreated(source);
          },
        })
      }
    >
      <TextField
        label="Name"
        hint="For people, such as “Web shop”."
        value={name}
        errors={errors['name']}
        autoFocus
        onChange={(event) => setName(event.target.value)}
      />
      <div className="field">
        <span className="label">What it speaks</span>
        <Choices<string>
          label="What it speaks"
          value={kind}
          onChange={setKind}
          choices={[
            { value: 'segment', label: 'Segment, RudderStack' },
            { value: 'livelike', label: 'LiveLike webhooks' },
          ]}
        />
      </div>
      {!isLiveLike && (
        <div className="field">
          <span className="label">Where its key stands</span>
          <Choices<string>
            label="Where its key stands"
            value={trust}
            onChange={setTrust}
            choices={[
              { value: 'server', label: 'On a server' },
              { value: 'client', label: 'In pages or apps' },
            ]}
          />
          <p className="hint">
            {trust === 'server'
              ? 'It may do what an admin token may. Never put this key into a page.'
              : 'Everybody can read it there: it may do what a fan may, and no more.'}
          </p>
        </div>
      )}
      <TextField
        label={isLiveLike ? 'Client secret in LiveLike' : 'Write key'}
        hint={isLiveLike ? 'Its webhooks are signed with it.' : 'Optional: one that clients have already.'}
        value={key}
        errors={errors['write_key']}
        onChange={(event) => setKey(event.target.value)}
      />
    </Dialog>
  );
}
