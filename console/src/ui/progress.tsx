/** How far something is. */
export function Progress({ label, value, max }: { label: string; value: number; max: number }) {
  return (
    <div
      className="progress"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={max}
      aria-valuenow={value}
    >
      <div style={{ width: `${max === 0 ? 0 : Math.min(100, (value / max) * 100)}%` }} />
    </div>
  );
}
