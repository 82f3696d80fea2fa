// A file read in: what it holds, which column is which where the headers do not say so, tried out first, then for good.

import { useState } from 'react';
import type { ImportKind } from '@grandstand/sdk/server';
import { messageOf } from '../../api.ts';
import { ChooseFile, createImport } from '../../files/choose-file.tsx';
import { ImportBar, ImportOutcome, isOver, useImport } from '../../files/import-run.tsx';
import type { Source } from '../../files/source.ts';
import { usePreview } from '../../files/use-preview.ts';
import { useInvalidate } from '../../queries.ts';
import { useApplication, useSession } from '../../session.tsx';
import { Problem } from '../../ui/bits.tsx';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Choices } from '../../ui/field.tsx';
import { Columns, missingOf, toQuery, type Chosen } from './columns.tsx';

type State = { step: 'choose' } | { step: 'sending' } | { step: 'running'; id: string; isDryRun: boolean };

export function ImportFile({ onClose }: { onClose: () => void }) {
  const { client } = useSession();
  const { path } = useApplication();
  const invalidate = useInvalidate();
  const [kind, setKind] = useState<ImportKind>('profiles');
  const [source, setSource] = useState<Source | undefined>(undefined);
  const [chosen, setChosen] = useState<Chosen>({});
  const [state, setState] = useState<State>({ step: 'choose' });
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const preview = usePreview(kind, source);
  const { data: row } = useImport(state.step === 'running' ? state.id : undefined);
  const isDone = state.step === 'running' && row !== undefined && isOver(row);
  const isBusy = state.step === 'sending' || (state.step === 'running' && !isDone);
  const start = async (isDryRun: boolean): Promise<void> => {
    if (!source) return setProblem('Choose a file.');
    if (isBusy) return;
    const missing = preview.data && missingOf(kind, preview.data, chosen);
    if (missing !== undefined) return setProblem(missing);
    setProblem(undefined);
    setState({ step: 'sending' });
    try {
      const { id } = await createImport(client, path('imports/'), source, {
        of: kind,
        ...(preview.data && toQuery(kind, preview.data, chosen)),
        ...(isDryRun && { dry_run: 'true' }),
      });
      setState({ step: 'running', id, isDryRun });
    } catch (error) {
      setState({ step: 'choose' });
      setProblem(messageOf(error));
    }
    await invalidate(path('imports/'));
  };
  const choose = (next: Chosen): void => {
    setProblem(undefined);
    setChosen(next);
  };
  const close = (): void => {
    if (state.step === 'sending') return; // it would be cut off
    onClose();
    void invalidate(path('imports/'), path('profiles/'), path('profile-groups/'));
  };
  if (isDone) {
    return (
      <Dialog
        title={state.isDryRun ? 'Tried out: nothing is stored yet' : 'The file was imported'}
        wide
        onClose={close}
        problem={problem}
        foot={
          state.isDryRun ? (
            <>
              <Button onClick={() => setState({ step: 'choose' })}>Back</Button>
              <Button look="primary" onClick={() => void start(false)}>
                Import it
              </Button>
            </>
          ) : (
            <Button look="primary" onClick={close}>
              Done
            </Button>
          )
        }
      >
        <ImportOutcome row={row} />
      </Dialog>
    );
  }
  return (
    <Dialog
      title="Import a file"
      wide
      onClose={close}
      problem={problem}
      onSubmit={() => void start(true)}
      foot={
        <>
          <Button onClick={close}>{isBusy && state.step === 'running' ? 'Close, it goes on' : 'Cancel'}</Button>
          <Button busy={isBusy} onClick={() => void start(false)}>
            Import it now
          </Button>
          <Button look="primary" type="submit" busy={isBusy}>
            Try it out first
          </Button>
        </>
      }
    >
      <div className="field">
        <span className="label">The rows are</span>
        <Choices<ImportKind>
          label="The rows are"
          value={kind}
          onChange={(value) => {
            setKind(value);
            setChosen({});
          }}
          choices={[
            { value: 'profiles', label: 'Profiles' },
            { value: 'activities', label: 'Activities' },
            { value: 'members', label: 'Members of groups' },
          ]}
        />
      </div>
      <ChooseFile
        label="File"
        hint={HINTS[kind]}
        disabled={isBusy}
        onChange={(file) => {
          setProblem(undefined);
          setChosen({});
          setSource(file);
        }}
      />
      <Problem>{preview.error ? messageOf(preview.error) : undefined}</Problem>
      {preview.data && source && (
        <Columns kind={kind} preview={preview.data} chosen={chosen} onChange={choose} disabled={isBusy} />
      )}
      {isBusy && <ImportBar row={row} />}
    </Dialog>
  );
}

const HINTS: Record<ImportKind, string> = {
  profiles: 'Columns custom_id or id, nickname, custom_data, access_token, and attributes.<key> for each attribute.',
  activities: 'Columns id, type, custom_id or profile_id, and occurred_at, value, data where you have them.',
  members: 'Columns custom_id or profile_id, and group_id unless you choose one group for all.',
};
