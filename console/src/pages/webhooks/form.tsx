// Where a webhook leads and what it is told: made and changed by the same form.

import { useState } from 'react';
import type { Webhook, WebhookOptions } from '@grandstand/sdk/server';
import { fieldsOf, restOf } from '../../api.ts';
import { useSend } from '../../queries.ts';
import { useGroupNames } from '../../rules/words.ts';
import { isLate, saveOver } from '../../save-over.ts';
import { useApplication } from '../../session.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { CheckField, CheckList, Choices, TextField } from '../../ui/field.tsx';
import { GroupsInput } from '../../ui/groups-input.tsx';
import { toast } from '../../ui/toast.tsx';
import { EVENTS } from './words.ts';

interface Fields {
  url: string;
  description: string;
  allEvents: boolean;
  events: string[];
  allGroups: boolean;
  groups: string[];
  summary: boolean;
}

const fieldsOfWebhook = (webhook: Webhook | undefined): Fields => ({
  url: webhook?.url ?? '',
  description: webhook?.description ?? '',
  allEvents: !webhook?.events,
  events: webhook?.events ?? ['membership.changed'],
  allGroups: !webhook?.groups,
  groups: webhook?.groups ?? [],
  summary: webhook?.switches === 'summary',
});

const bodyOf = (fields: Fields): WebhookOptions & { url: string } => ({
  url: fields.url.trim(),
  description: fields.description.trim(),
  events: fields.allEvents ? null : fields.events,
  groups: fields.allGroups ? null : fields.groups,
  switches: fields.summary ? 'summary' : 'changes',
});

interface FormProps {
  webhook?: Webhook;
  onClose: () => void;
  onCreated?: (webhook: Webhook & { secret: string }) => void;
}

export function WebhookForm({ webhook, onClose, onCreated }: FormProps) {
  const { path } = useApplication();
  const [began] = useState(webhook); // what is written is over this, whatever a poll brings
  const [fields, setFields] = useState(() => fieldsOfWebhook(webhook));
  const set = (changes: Partial<Fields>): void => setFields((before) => ({ ...before, ...changes }));
  const nameOf = useGroupNames(fields.groups);
  const list = path('webhooks/');
  const send = useSend<undefined, Webhook & { secret?: string }>(
    (client) => {
      if (!began) return client.request(list, { method: 'POST', body: bodyOf(fields) });
      const changes = changesOf(bodyOf(fieldsOfWebhook(began)), bodyOf(fields));
      return saveOver(client, `${list}${began.id}/`, changes, began, isKnown(changes, began), () => {});
    },
    () => [list],
  );
  const save = (): void =>
    send.mutate(undefined, {
      onSuccess: (answer) => {
        onClose();
        if (began) toast('The webhook was saved.');
        else if (answer.secret !== undefined) onCreated?.({ ...answer, secret: answer.secret });
      },
    });
  const errors = fieldsOf(send.error);
  const ofGroups = Object.entries(errors).flatMap(([field, messages]) => (field.startsWith('groups') ? messages : []));
  return (
    <Dialog
      title={webhook ? 'Edit the webhook' : 'New webhook'}
      wide
      onClose={onClose}
      onSubmit={save}
      action={webhook ? 'Save' : 'Create the webhook'}
      busy={send.isPending}
      problem={
        isLate(send.error)
          ? 'Somebody else changed the same fields meanwhile. Close this to see theirs, then edit again.'
          : restOf(send.error, ['url', 'description', 'events', 'groups'])
      }
    >
      <TextField
        label="Address"
        type="url"
        placeholder="https://crm.example.com/grandstand"
        hint="https, at a public address. Messages are posted to it."
        value={fields.url}
        errors={errors['url']}
        autoFocus
        onChange={(event) => set({ url: event.target.value })}
      />
      <TextField
        label="What it is for"
        hint="Optional, such as “CRM”."
        value={fields.description}
        errors={errors['description']}
        onChange={(event) => set({ description: event.target.value })}
      />
      <div className="field">
        <span className="label">What it is told</span>
        <Choices<string>
          label="What it is told"
          value={fields.allEvents ? 'all' : 'some'}
          onChange={(value) => set({ allEvents: value === 'all' })}
          choices={[
            { value: 'all', label: 'Everything' },
            { value: 'some', label: 'Chosen events' },
          ]}
        />
        {fields.allEvents && <p className="hint">Also kinds of events that a later version adds.</p>}
      </div>
      {!fields.allEvents && (
        <CheckList
          label="Events"
          choices={EVENTS.map(([value, label]) => ({ value, label }))}
          value={fields.events}
          errors={errors['events']}
          onChange={(events) => set({ events })}
        />
      )}
      <div className="field">
        <span className="label">Of which groups</span>
        <Choices<string>
          label="Of which groups"
          value={fields.allGroups ? 'all' : 'some'}
          onChange={(value) => set({ allGroups: value === 'all' })}
          choices={[
            { value: 'all', label: 'All groups' },
            { value: 'some', label: 'Chosen groups' },
          ]}
        />
        {!fields.allGroups && (
          <>
            <GroupsInput
              label="Groups"
              value={fields.groups}
              nameOf={nameOf}
              invalid={ofGroups.length > 0}
              onChange={(value) => set({ groups: (value as unknown[]).map(String) })} // the input gives a list
            />
            {ofGroups.length > 0 && (
              <p className="error" role="alert">
                {ofGroups.join(' ')}
              </p>
            )}
            <p className="hint">Events of profiles come all the same.</p>
          </>
        )}
      </div>
      <CheckField
        label="Tell a new rule or a replaced list as one message with the numbers"
        hint="Else each profile that enters or leaves by it is told, 500 a message."
        checked={fields.summary}
        onChange={(event) => set({ summary: event.target.checked })}
      />
    </Dialog>
  );
}

/** What differs from what the form began with. */
function changesOf(before: WebhookOptions, now: WebhookOptions): WebhookOptions {
  const was = before as Record<string, unknown>; // of the same fields
  return Object.fromEntries(
    Object.entries(now).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(was[name])),
  );
}

/** Nobody changed the same fields. */
const isKnown =
  (changes: WebhookOptions, began: Webhook) =>
  (newer: Webhook): boolean =>
    Object.keys(changes).every(
      (name) => JSON.stringify(newer[name as keyof Webhook]) === JSON.stringify(began[name as keyof Webhook]), // fields that both have
    );
