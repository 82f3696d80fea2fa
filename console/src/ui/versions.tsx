// What two people made of the same fields, side by side, and the choice between them.

import { Button } from './button.tsx';

interface VersionsProps<F> {
  labels: Record<keyof F, string>;
  fields: (keyof F)[];
  mine: F;
  theirs: F;
  busy: boolean;
  onSave: () => void;
  onTheirs: () => void;
}

export function Versions<F>({ labels, fields, mine, theirs, busy, onSave, onTheirs }: VersionsProps<F>) {
  return (
    <section className="card conflict" aria-label="Changed meanwhile">
      <p className="pad" role="alert">
        Somebody else changed this meanwhile. What you wrote is still here.
      </p>
      <table className="difference">
        <caption className="visually-hidden">Yours and theirs, field by field</caption>
        <thead>
          <tr>
            <th scope="col">Field</th>
            <th scope="col">Yours</th>
            <th scope="col">Theirs</th>
          </tr>
        </thead>
        <tbody>
          {fields.map((field) => (
            <tr key={String(field)}>
              <th scope="row">{labels[field]}</th>
              <td className="marked name">{shown(mine[field])}</td>
              <td className="marked name">{shown(theirs[field])}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <div className="pad row wrap">
        <Button look="primary" busy={busy} onClick={onSave}>
          {busy ? 'Saving…' : 'Save mine over theirs'}
        </Button>
        <Button onClick={onTheirs}>Take theirs</Button>
      </div>
    </section>
  );
}

function shown(value: unknown): string {
  if (value === '' || value === null || value === undefined) return 'nothing';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value))
    return value.map((pair: { key: string; value: string }) => `${pair.key}: ${pair.value}`).join('\n') || 'nothing';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
