// For containers, whose images hold no curl: ends with 0 where the server on this machine answers, else with 1.
const { HOST = '127.0.0.1', PORT = '7070' } = process.env;
const host = HOST === '0.0.0.0' ? '127.0.0.1' : HOST === '::' ? '[::1]' : HOST.includes(':') ? `[${HOST}]` : HOST;
const answer = await fetch(`http://${host}:${PORT}/healthz`).catch((error) => ({ ok: false, error }));
if (!answer.ok) console.error(answer.error?.cause?.message ?? answer.error?.message ?? `status ${answer.status}`);
process.exitCode = answer.ok ? 0 : 1;
