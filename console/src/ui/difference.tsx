// Two versions side by side, line by line: what is the same stands beside each other, what only one has is marked.

import { align, type Line } from './align.ts';

interface DifferenceProps {
  caption: string;
  mine: Line[];
  theirs: Line[];
}

export function Difference({ caption, mine, theirs }: DifferenceProps) {
  return (
    <table className="difference">
      <caption className="visually-hidden">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">Yours</th>
          <th scope="col">Theirs</th>
        </tr>
      </thead>
      <tbody>
        {align(mine, theirs).map(({ left, right }, index) => {
          const isSame = left !== undefined && right !== undefined;
          return (
            <tr key={index}>
              <Cell line={left} mark={isSame ? undefined : 'only yours'} />
              <Cell line={right} mark={isSame ? undefined : 'only theirs'} />
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function Cell({ line, mark }: { line: Line | undefined; mark: string | undefined }) {
  if (!line) return <td />;
  return (
    <td className={mark === undefined ? undefined : 'marked'} style={{ paddingLeft: `${10 + line.level * 16}px` }}>
      {mark !== undefined && <span className="visually-hidden">{mark}: </span>}
      <bdi className="name">{line.text}</bdi>
    </td>
  );
}
