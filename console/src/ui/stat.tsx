import type { ReactNode } from 'react';
import { Skeleton } from './bits.tsx';

/** One figure among others, in a row of `.stats`. */
export function Stat({ label, figure, beside }: { label: ReactNode; figure: ReactNode; beside?: ReactNode }) {
  return (
    <div className="stat">
      <div className="label">{label}</div>
      <div className="figure truncate">{figure ?? <Skeleton width={70} height={20} />}</div>
      {beside && <div className="beside">{beside}</div>}
    </div>
  );
}
