// Many members at once: pasted or uploaded ids, added in slices with a progress bar, or put in place of everybody in one
// step. What could not be added is listed with its line.

import { useMemo, useState } from 'react';
import { messageOf } from '../../api.ts';
import { formatNumber, plural } from '../../format.ts';
import { useInvalidate } from '../../queries.ts';
import { useApplication, useSession } from '../../session.tsx';
import type { Group } from '../../types.ts';
import { Button } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/copy.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Choices, SelectField, TextArea } from '../../ui/field.tsx';
import { toast } from '../../ui/toast.tsx';
import { useDraft } from '../../ui/use-draft.ts';
import { csvCell, readIds, type ReadId, type ReadIds } from './ids.ts';

interface Outcome {
  added: number;
  already: number;
  removed: number;
  /** Ids that name no profile, with their lines. */
  invalid: ReadId[];
  invalidCount: number;
}

type State = { step: 'choose' } | { step: 'running'; done: number; total: number } | { step: 'done'; outcome: Outcome };

const SLICE = 5_000;
const MAX_FILE = 256 * 1024 * 1024;
const MAX_LISTED = 200;

interface Added {
  successfully_added: string[];
  already_added: string[];
  invalid_ids: string[];
}

interface Replaced {
  added: number;
  removed: number;
  unchanged: number;
  invalid_count: number;
  invalid_ids: string[];
}

export function AddMembers({ group, from, onClose }: { group: Group; from: 'paste' | 'upload'; onClose: () => void }) {
  const { client } = useSession();
  const { path } = useApplication();
  const invalidate = useInvalidate();
  const [pasted, setPasted, forget] = useDraft<string>(`members ${group.id}`, () => '');
  const [wasKept, setWasKept] = useState(pasted !== '');
  const [file, setFile] = useState('');
  const text = from === 'paste' ? pasted : file;
  const [fileName, setFileName] = useState('');
  const [kind, setKind] = useState<ReadIds['kind'] | undefined>(undefined);
  const [mode, setMode] = useState<'add' | 'replace'>('add');
  const [state, setState] = useState<State>({ step: 'choose' });
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const read = useMemo(() => readIds(text), [text]);
  const used = kind ?? read.kind;
  const members = path(`profile-groups/${group.id}/members/`);

  const addAll = async (): Promise<Outcome> => {
    const outcome: Outcome = { added: 0, already: 0, removed: 0, invalid: [], invalidCount: 0 };
    for (let at = 0; at < read.ids.length; at += SLICE) {
      const slice = read.ids.slice(at, at + SLICE);
      const answer = await client.request<Added>(members, {
        method: 'POST',
        body: { [used]: slice.map(({ id }) => id) },
        timeout: 120_000,
      });
      const invalid = new Set(answer.invalid_ids);
      outcome.added += answer.successfully_added.length;
      outcome.already += answer.already_added.length;
      outcome.invalid.push(...slice.filter(({ id }) => invalid.has(id)));
      outcome.invalidCount = outcome.invalid.length;
      setState({ step: 'running', done: Math.min(at + SLICE, read.ids.length), total: read.ids.length });
    }
    return outcome;
  };

  const replaceAll = async (): Promise<Outcome> => {
    const header = used === 'profile_ids' ? 'profile_id' : 'custom_id';
    const body = [header, ...read.ids.map(({ id }) => csvCell(id)), ''].join('\n');
    const answer = await client.request<Replaced>(members, {
      method: 'PUT',
      body,
      contentType: 'text/csv',
      timeout: 3_600_000,
    });
    const lines = new Map(read.ids.map(({ id, line }) => [id, line]));
    return {
      added: answer.added,
      already: answer.unchanged,
      removed: answer.removed,
      invalidCount: answer.invalid_count,
      invalid: answer.invalid_ids.map((id) => ({ id, line: lines.get(id) ?? 0 })),
    };
  };

  const start = async (): Promise<void> => {
    if (read.ids.length === 0)
      return setProblem(from === 'paste' ? 'Paste at least one id.' : 'Choose a file with at least one id.');
    setProblem(undefined);
    setState({ step: 'running', done: 0, total: read.ids.length });
    try {
      setState({ step: 'done', outcome: await (mode === 'add' ? addAll() : replaceAll()) });
      if (from === 'paste') forget();
    } catch (error) {
      setState({ step: 'choose' });
      const rest =
        mode === 'add'
          ? 'What was added before that stays; adding the same list again is harmless.'
          : 'Nothing was replaced.';
      setProblem(`${messageOf(error)} ${rest}`);
    }
    await invalidate(path(`profile-groups/${group.id}/`));
  };

  const choose = async (chosen: File | undefined): Promise<void> => {
    if (!chosen) return;
    if (chosen.size > MAX_FILE)
      return setProblem('This file is larger than 256 MB. Send it through the API: PUT …/members/ takes any size.');
    setFileName(chosen.name);
    setFile(await chosen.text());
  };

  const running = state.step === 'running';
  const close = (): void => {
    if (running) toast('It is still running. Wait until it is done.');
    else onClose();
  };
  return (
    <Dialog
      title={from === 'paste' ? 'Add members' : 'Upload members'}
      wide
      onClose={close}
      onSubmit={() => void start()}
      {...(state.step === 'done'
        ? {
            foot: (
              <Button look="primary" onClick={onClose}>
                Done
              </Button>
            ),
          }
        : {
            action:
              mode === 'replace'
                ? `Replace all members with ${formatNumber(read.ids.length)}`
                : read.ids.length === 0
                  ? 'Add'
                  : `Add ${formatNumber(read.ids.length)}`,
            busy: running,
            danger: mode === 'replace',
          })}
      problem={problem}
      keepsDraft={from === 'paste'}
    >
      {state.step === 'done' ? (
        <Result outcome={state.outcome} replaced={mode === 'replace'} />
      ) : (
        <div className="stack">
          {from === 'paste' ? (
            <TextArea
              label="Ids"
              hint="Profile ids or custom ids: one a line, or separated by commas."
              className="mono"
              rows={8}
              value={text}
              disabled={running}
              autoFocus
              onChange={(event) => {
                setWasKept(false);
                setPasted(() => event.target.value);
              }}
            />
          ) : (
            <div className="field">
              <label htmlFor="member-file">CSV file</label>
              <input
                id="member-file"
                type="file"
                className="input file"
                accept=".csv,.txt,.tsv,text/csv,text/plain"
                disabled={running}
                onChange={(event) => void choose(event.target.files?.[0])}
                aria-describedby="member-file-hint"
              />
              <p className="hint" id="member-file-hint">
                With a column <code>profile_id</code> or <code>custom_id</code>, or simply one id a line.
              </p>
            </div>
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
          {read.ids.length > 0 && (
            <>
              <p className="muted">
                {fileName && <strong className="name">{fileName}: </strong>}
                {plural(read.ids.length, 'id')}
                {read.repeated > 0 && `, ${plural(read.repeated, 'repetition')} left out`}.
              </p>
              <SelectField
                label="These are"
                value={used}
                disabled={running}
                onChange={(event) => setKind(event.target.value as ReadIds['kind'])}
              >
                <option value="profile_ids">profile ids</option>
                <option value="custom_ids">custom ids</option>
              </SelectField>
            </>
          )}
          {from === 'upload' && (
            <div className="field">
              <span className="label">What to do with them</span>
              <Choices
                label="What to do with them"
                value={mode}
                onChange={setMode}
                choices={[
                  { value: 'add', label: 'Add to the members' },
                  { value: 'replace', label: 'Replace all members' },
                ]}
              />
              {mode === 'replace' && (
                <p className="hint">
                  In one step: nobody ever sees the group half done. Whoever is not in the file leaves it.
                </p>
              )}
            </div>
          )}
          {running && (
            <div role="status">
              <div
                className="progress"
                role="progressbar"
                aria-label="Progress"
                aria-valuemin={0}
                aria-valuemax={state.total}
                aria-valuenow={state.done}
              >
                <div style={{ width: `${(state.done / state.total) * 100}%` }} />
              </div>
              <p className="muted small">
                {mode === 'add' ? `${formatNumber(state.done)} of ${formatNumber(state.total)}` : 'Sending the list…'}
              </p>
            </div>
          )}
        </div>
      )}
    </Dialog>
  );
}

function Result({ outcome, replaced }: { outcome: Outcome; replaced: boolean }) {
  const { added, already, removed, invalid, invalidCount } = outcome;
  return (
    <div className="stack" role="status">
      <div className="stats">
        <div className="stat">
          <div className="label">Added</div>
          <div className="figure">{formatNumber(added)}</div>
        </div>
        <div className="stat">
          <div className="label">Were there already</div>
          <div className="figure">{formatNumber(already)}</div>
        </div>
        {replaced && (
          <div className="stat">
            <div className="label">Removed</div>
            <div className="figure">{formatNumber(removed)}</div>
          </div>
        )}
        <div className="stat">
          <div className="label">Not found</div>
          <div className="figure">{formatNumber(invalidCount)}</div>
        </div>
      </div>
      {invalid.length > 0 && (
        <div>
          <div className="row spread">
            <h3>No profile has these ids</h3>
            <CopyButton text={invalid.map(({ id }) => id).join('\n')} label="Copy them" iconOnly={false} />
          </div>
          <div className="text-block" tabIndex={0} role="region" aria-label="Ids that were not found">
            <ul>
              {invalid.slice(0, MAX_LISTED).map(({ id, line }) => (
                <li key={id}>
                  <span className="faint numeric">line {line}</span> <code className="name">{id}</code>
                </li>
              ))}
            </ul>
            {invalidCount > MAX_LISTED && <p className="muted">…and {formatNumber(invalidCount - MAX_LISTED)} more</p>}
          </div>
        </div>
      )}
    </div>
  );
}
