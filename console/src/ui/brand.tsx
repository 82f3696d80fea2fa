export function Mark({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden>
      <rect width="32" height="32" rx="8" fill="#0f7a4f" />
      <path d="M7 22h18M9.5 17h13M12 12h8" stroke="#fff" strokeWidth="3" strokeLinecap="round" />
    </svg>
  );
}
