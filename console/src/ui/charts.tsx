// Lines over time: a word-sized one for lists, and a chart with axes.

import { formatCompact } from '../format.ts';
import { Plot } from './plot.tsx';

export interface Point {
  /** Milliseconds. */
  at: number;
  value: number;
}

export function Sparkline({
  values,
  label,
  width = 96,
  height = 26,
}: {
  values: number[];
  label: string;
  width?: number;
  height?: number;
}) {
  if (values.length < 2) return <span className="faint small">–</span>;
  const low = Math.min(...values);
  const range = Math.max(...values) - low;
  const pad = 2;
  const points = values.map((value, i) => {
    const x = pad + (i / (values.length - 1)) * (width - 2 * pad);
    const y = range === 0 ? height / 2 : height - pad - ((value - low) / range) * (height - 2 * pad);
    return [Math.round(x * 10) / 10, Math.round(y * 10) / 10] as const;
  });
  const line = points.map(([x, y]) => `${x},${y}`).join(' ');
  const last = points.at(-1);
  return (
    <svg
      className={range === 0 ? 'spark flat' : 'spark'}
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={label}
    >
      {range > 0 && <polygon points={`${pad},${height} ${line} ${width - pad},${height}`} />}
      <polyline points={line} />
      {last && range > 0 && <circle cx={last[0]} cy={last[1]} r="2" />}
    </svg>
  );
}

export interface ChartProps {
  /** What is drawn, for those who cannot see it. */
  label: string;
  points: Point[];
  /** Of one value in the legend. */
  noun: string;
  /** Bars from zero, or a line within its own range. */
  kind?: 'line' | 'bars';
  height?: number;
  /** Whether the axis speaks of hours or of days. */
  unit?: 'hour' | 'day';
}

export function Chart(props: ChartProps) {
  const { points, label, height = 200 } = props;
  const first = points[0];
  const last = points.at(-1);
  const summary =
    first && last
      ? `${label}: from ${formatCompact(first.value)} to ${formatCompact(last.value)}.`
      : `${label}: nothing yet.`;
  return (
    <figure className="chart">
      <figcaption className="visually-hidden">{summary}</figcaption>
      <div style={{ height }} aria-hidden>
        <Plot {...props} height={height} />
      </div>
    </figure>
  );
}
