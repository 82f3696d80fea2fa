// What is read in: a file that was chosen, or a text that was pasted. It is sent as it is; only the server reads it.

export interface Source {
  body: Blob;
  name: string;
  contentType: 'text/csv' | 'text/tab-separated-values' | 'application/x-ndjson';
  /** Of each source another: what was asked of one is no answer about another. */
  key: string;
}

let lastKey = 0;

export const sourceOfFile = (file: File): Source => ({
  body: file,
  name: file.name,
  contentType: contentTypeOf(file.name),
  key: `file ${++lastKey}`,
});

export const sourceOfText = (text: string): Source => ({
  body: new Blob([text]),
  name: 'pasted',
  contentType: 'text/csv',
  key: `text ${text}`,
});

/** By the name, a `.gz` at its end aside. */
function contentTypeOf(name: string): Source['contentType'] {
  if (/\.(ndjson|jsonl)(\.gz)?$/i.test(name)) return 'application/x-ndjson';
  return /\.tsv(\.gz)?$/i.test(name) ? 'text/tab-separated-values' : 'text/csv';
}
