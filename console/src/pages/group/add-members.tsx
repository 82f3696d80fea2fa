// Many members at once: pasted or in a file. The server reads the list, as it reads any; here it is said how, where the
// list does not say it itself. Added as an import, or put in place of everybody in one step.

import { useState } from 'react';
import { IconDownload } from '@tabler/icons-react';
import type { ReplacedMembers } from '@grandstand/sdk/server';
import { ApiError, messageOf } from '../../api.ts';
import { ImportBar, ImportOutcome, isOver, useImport } from '../../files/import-run.tsx';
import { ChooseFile, createImport, LONGEST_MS } from '../../files/choose-file.tsx';
import { saveFile } from '../../files/download.tsx';
import { sourceOfText, type Source } from '../../files/source.ts';
import { formatNumber, formatPercent } from '../../format.ts';
import { useInvalidate, useSettled } from '../../queries.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Group } from '../../types.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Choices, TextArea } from '../../ui/field.tsx';
import { Stat } from '../../ui/stat.tsx';
import { toast } from '../../ui/toast.tsx';
import { useDraft } from '../../ui/use-draft.ts';
import { ListReading, useReading } from './list-reading.tsx';

/** What a replacement was refused with, until one says that it is meant. */
interface Refused {
  message: string;
  valid: number;
  invalid: number;
  ids: string[];
}

type State =
  | { step: 'choose' }
  | { step: 'sending' }
  | { step: 'refused'; refused: Refused }
  | { step: 'importing'; id: string }
  | { step: 'replaced'; outcome: ReplacedMembers };

export function AddMembers({ group, from, onClose }: { group: Group; from: 'paste' | 'upload'; onClose: () => void }) {
  const { client } = useSession();
  const { path } = useApplication();
  const invalidate = useInvalidate();
  const [pasted, setPasted, forget] = useDraft<string>(`members ${group.id}`, () => '');
  const [wasKept, setWasKept] = useState(pasted !== '');
  const settled = useSettled(pasted);
  const [file, setFile] = useState<Source | undefined>(undefined);
  const source = from === 'upload' ? file : settled.trim() === '' ? undefined : sourceOfText(settled);
  const reading = useReading(source);
  const [mode, setMode] = useState<'add' | 'replace'>('add');
  const [state, setState] = useState<State>({ step: 'choose' });
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const running = useImport(state.step === 'importing' ? state.id : undefined);
  const groupPath = path(`profile-groups/${group.id}/`);
  const isBusy = state.step === 'sending' || (state.step === 'importing' && !(running.data && isOver(running.data)));

  const add = async (list: Source): Promise<void> => {
    const query = { of: 'members', group: group.id, ...reading.query };
    const { id } = await createImport(client, path('imports/'), list, query);
    setState({ step: 'importing', id });
  };

  const replace = async ({ body, contentType }: Source, isMeant: boolean): Promise<void> => {
    const query = { ...reading.query, ...(isMeant && { allow_invalid: 'true' }) };
    const options = { method: 'PUT', query, body, contentType, timeout: LONGEST_MS } as const;
    try {
      setState({ step: 'replaced', outcome: await client.request<ReplacedMembers>(`${groupPath}members/`, options) });
    } catch (error) {
      const refused = refusedBy(error);
      if (!refused) throw error;
      setState({ step: 'refused', refused });
    }
  };

  const start = async (isMeant = false): Promise<void> => {
    if (isBusy) return;
    if (from === 'paste' && pasted !== settled) return; // it is being read
    if (!source) return setProblem(from === 'paste' ? 'Paste at least one id.' : 'Choose a file.');
    if (reading.missing !== undefined) return setProblem(reading.missing);
    if (!reading.preview) return;
    setProblem(undefined);
    setState({ step: 'sending' });
    try {
      await (mode === 'add' ? add(source) : replace(source, isMeant));
      if (from === 'paste') forget();
    } catch (error) {
      setState({ step: 'choose' });
      setProblem(`${messageOf(error)} ${mode === 'add' ? 'Nobody was added.' : 'Nothing was replaced.'}`);
    }
    await invalidate(groupPath);
  };

  const close = (): void => {
    if (isBusy) toast(state.step === 'importing' ? 'It goes on; see Imports and exports.' : 'It is still being sent.');
    if (state.step === 'sending') return;
    onClose();
    void invalidate(groupPath);
  };
  const title = from === 'paste' ? 'Add members' : 'Upload members';
  if (state.step === 'replaced' || (state.step === 'importing' && running.data && isOver(running.data))) {
    return (
      <Dialog
        title={title}
        wide
        onClose={close}
        foot={
          <Button look="primary" onClick={close}>
            Done
          </Button>
        }
      >
        {state.step === 'replaced' ? (
          <ReplaceOutcome outcome={state.outcome} />
        ) : (
          running.data && (
            <ImportOutcome row={running.data} words={{ accepted: 'Added', duplicates: 'Already there' }} />
          )
        )}
      </Dialog>
    );
  }
  if (state.step === 'refused') {
    const { valid } = state.refused;
    return (
      <Dialog
        title="Is this the right list?"
        wide
        onClose={close}
        cancel="Change nothing"
        action={valid === 0 ? 'Empty the group' : `Replace all members with ${formatNumber(valid)}`}
        danger
        problem={problem}
        onSubmit={() => void start(true)}
      >
        <Refusal {...state.refused} group={group} />
      </Dialog>
    );
  }
  return (
    <Dialog
      title={title}
      wide
      onClose={close}
      onSubmit={() => void start()}
      action={mode === 'replace' ? 'Replace all members' : 'Add them'}
      busy={isBusy}
      danger={mode === 'replace'}
      problem={problem}
      keepsDraft={from === 'paste'}
    >
      {from === 'paste' ? (
        <TextArea
          label="Ids"
          hint="One a line, or rows copied from a spreadsheet, with or without a header."
          className="mono"
          rows={8}
          value={pasted}
          disabled={isBusy}
          autoFocus
          onChange={(event) => {
            setWasKept(false);
            setProblem(undefined);
            setPasted(() => event.target.value);
          }}
        />
      ) : (
        <ChooseFile
          label="CSV file"
          hint={
            <>
              Any size. With a column <code>profile_id</code> or <code>custom_id</code>; of other files you are asked
              which column it is.
            </>
          }
          disabled={isBusy}
          onChange={(chosen) => {
            setProblem(undefined);
            setFile(chosen);
          }}
        />
      )}
      {wasKept && from === 'paste' && (
        <p className="row wrap muted">
          These are from before, when you closed this.
          <Button
            small
            onClick={() => {
              setWasKept(false);
              setPasted(() => '');
            }}
          >
            Clear
          </Button>
        </p>
      )}
      {source && <ListReading reading={reading} disabled={isBusy} />}
      {from === 'upload' && <Mode mode={mode} onChange={setMode} />}
      {isBusy && <ImportBar row={running.data} />}
    </Dialog>
  );
}

function Mode({ mode, onChange }: { mode: 'add' | 'replace'; onChange: (mode: 'add' | 'replace') => void }) {
  return (
    <div className="field">
      <span className="label">What to do with them</span>
      <Choices
        label="What to do with them"
        value={mode}
        onChange={onChange}
        choices={[
          { value: 'add', label: 'Add to the members' },
          { value: 'replace', label: 'Replace all members' },
        ]}
      />
      {mode === 'replace' && (
        <p className="hint">In one step: nobody ever sees the group half done. Whoever is not in the file leaves it.</p>
      )}
    </div>
  );
}

/** Of a 409 that tells counts: a list that does not seem to be what it should. */
function refusedBy(error: unknown): Refused | undefined {
  if (!(error instanceof ApiError) || error.status !== 409) return undefined;
  const { valid_count: valid, invalid_count: invalid, invalid_ids: ids } = error.data;
  if (typeof valid !== 'number' || typeof invalid !== 'number') return undefined;
  return { message: error.message, valid, invalid, ids: Array.isArray(ids) ? ids.map(String) : [] };
}

function Refusal({ valid, invalid, ids, group }: Refused & { group: Group }) {
  const total = valid + invalid;
  return (
    <div className="stack">
      <p role="alert">
        {total === 0
          ? 'The list is empty.'
          : valid === 0
            ? `None of the ${formatNumber(total)} ids names a profile of this application.`
            : `${formatNumber(invalid)} of ${formatNumber(total)} ids (${formatPercent(invalid / total)}) name no profile of this application.`}{' '}
        Nothing has changed.
      </p>
      <div className="stats">
        <Stat label="Members now" figure={formatNumber(group.profile_count)} />
        <Stat label="Found" figure={formatNumber(valid)} />
        <Stat label="Not found" figure={formatNumber(invalid)} />
      </div>
      <IdsNotFound ids={ids} count={invalid} />
    </div>
  );
}

function ReplaceOutcome({ outcome }: { outcome: ReplacedMembers }) {
  return (
    <div className="stack" role="status">
      <div className="stats">
        <Stat label="Added" figure={formatNumber(outcome.added)} />
        <Stat label="Already there" figure={formatNumber(outcome.unchanged)} />
        <Stat label="Removed" figure={formatNumber(outcome.removed)} />
        <Stat label="Not found" figure={formatNumber(outcome.invalid_count)} />
      </div>
      <IdsNotFound ids={outcome.invalid_ids} count={outcome.invalid_count} />
    </div>
  );
}

const MAX_LISTED = 100;

function IdsNotFound({ ids, count }: { ids: string[]; count: number }) {
  if (ids.length === 0) return null;
  const save = (): void => saveFile(new Blob([`${ids.join('\n')}\n`], { type: 'text/plain' }), 'ids-not-found.txt');
  return (
    <div className="stack" style={{ '--gap': '8px' } as React.CSSProperties}>
      <div className="row spread wrap">
        <h3>No profile has these ids</h3>
        <Button small icon={<IconDownload size={15} aria-hidden />} onClick={save}>
          {ids.length < count ? `Download the first ${formatNumber(ids.length)}` : 'Download them'}
        </Button>
      </div>
      <div className="text-block" tabIndex={0} role="region" aria-label="Ids that were not found">
        <ul>
          {ids.slice(0, MAX_LISTED).map((id, index) => (
            <li key={index}>
              <code className="name">{id}</code>
            </li>
          ))}
        </ul>
        {count > MAX_LISTED && <p className="muted">…and {formatNumber(count - MAX_LISTED)} more</p>}
      </div>
    </div>
  );
}
