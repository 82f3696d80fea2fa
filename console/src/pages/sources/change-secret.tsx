// The secret by which LiveLike signs its webhooks was changed there: it is told here, too.

import { useState } from 'react';
import { fieldsOf, restOf } from '../../api.ts';
import { useSend } from '../../queries.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/field.tsx';
import { toast } from '../../ui/toast.tsx';

export function ChangeSecret({ path, onClose }: { path: string; onClose: () => void }) {
  const [secret, setSecret] = useState('');
  const send = useSend<undefined>(
    (client) => client.request(`${path}rotate-key/`, { method: 'POST', body: { write_key: secret } }),
    () => [path],
  );
  return (
    <Dialog
      title="Change the client secret"
      onClose={onClose}
      action="Save the secret"
      busy={send.isPending}
      problem={restOf(send.error, ['write_key'])}
      onSubmit={() =>
        send.mutate(undefined, {
          onSuccess: () => {
            toast('The secret was changed. The old one is taken for another 24 hours.');
            onClose();
          },
        })
      }
    >
      <TextField
        label="Client secret in LiveLike"
        hint="Its webhooks are signed with it. For 24 hours the old one is taken too."
        value={secret}
        errors={fieldsOf(send.error)['write_key']}
        autoFocus
        onChange={(event) => setSecret(event.target.value)}
      />
    </Dialog>
  );
}
