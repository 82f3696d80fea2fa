// A file of the API, fetched by whoever is signed in and handed to the browser to keep. It is handed over only when it came
// to its end.

import { useState, type ReactNode } from 'react';
import { IconDownload } from '@tabler/icons-react';
import { messageOf, type Client, type Query } from '../api.ts';
import { useSession } from '../session.tsx';
import { Button } from '../ui/button.tsx';
import { toast } from '../ui/toast.tsx';

const LONGEST_MS = 3_600_000;

export async function fetchFile(
  client: Client,
  path: string,
  { query, signal, onBytes }: { query?: Query; signal?: AbortSignal; onBytes?: (bytes: number) => void } = {},
): Promise<Blob> {
  return client.request<Blob>(path, {
    ...(query && { query }),
    ...(signal && { signal }),
    timeout: LONGEST_MS,
    headers: { accept: 'text/csv' },
    async read(response, alive) {
      const counted = response.body?.pipeThrough(counter(alive, onBytes));
      return new Response(counted).blob();
    },
  });
}

function counter(alive: () => void, onBytes: (bytes: number) => void = () => {}): TransformStream<Uint8Array> {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, out) {
      bytes += chunk.length;
      alive();
      onBytes(bytes);
      out.enqueue(chunk);
    },
  });
}

export function saveFile(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** What people may call a file. */
export const fileName = (name: string, extension = 'csv'): string =>
  `${name.replaceAll(/[^\p{L}\p{N}]+/gu, '-').slice(0, 60) || 'download'}.${extension}`;

/** A button that fetches a CSV and saves it. */
export function DownloadButton({
  path,
  query,
  name,
  small,
  label,
  children,
}: {
  path: string;
  query?: Query;
  name: string;
  small?: boolean;
  /** What is read, where several buttons have one text. */
  label?: string;
  children: ReactNode;
}) {
  const { client } = useSession();
  const [busy, setBusy] = useState(false);
  const run = async (): Promise<void> => {
    setBusy(true);
    try {
      saveFile(await fetchFile(client, path, query ? { query } : {}), name);
    } catch (error) {
      toast(messageOf(error));
    }
    setBusy(false);
  };
  return (
    <Button
      icon={<IconDownload size={small ? 15 : 16} aria-hidden />}
      {...(small && { small })}
      {...(label !== undefined && { 'aria-label': label })}
      busy={busy}
      onClick={() => void run()}
    >
      {busy ? 'Downloading…' : children}
    </Button>
  );
}
