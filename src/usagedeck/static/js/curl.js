/** A request as a command that can be pasted into a shell. It never holds a secret: the key is `$API_KEY`, and headers out of which
 * something was taken are left out. */

/** Stands where something was taken out. */
export const MARK = '[redacted]';
const NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
/** What curl says by itself, or what was true of that one connection only. */
const OWN = ['host', 'content-length', 'connection', 'accept-encoding', 'content-encoding', 'transfer-encoding', 'expect'];
const KEYS = ['xi-api-key', 'x-api-key', 'authorization'];
const BODIES = ['POST', 'PUT', 'PATCH'];

/** One word of a POSIX shell, whatever is in it but NUL. */
export const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** @param {{method: ?string, path: ?string}} row
 * @param {?{headers: string[][], body: ?string, base64: boolean}} sent what was kept of it */
export function curl({method, path}, sent = null) {
  const verb = /^[A-Z]+$/.test(method ?? '') && method !== 'WS' ? method : 'GET';
  const headers = (sent?.headers ?? []).filter(([name]) => NAME.test(name));
  // a path that does not begin like one would change the host that the key is sent to
  const where = `/${(path ?? '').replace(/^\//, '')}`;
  const first = `curl -X ${verb}${/[[\]{}]/.test(where) ? ' --globoff' : ''} "$BASE_URL"${quoted(where)}`;
  const lines = [first, keyed(headers)];
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (OWN.includes(lower) || KEYS.includes(lower) || value.includes(MARK) || value.endsWith('…')) continue;
    const plain = value.replace(/[\0-\x08\x0a-\x1f\x7f]+/g, ' ').trim();
    lines.push(`-H ${quoted(plain ? `${name}: ${plain}` : `${name};`)}`);
  }
  const body = sent?.body ?? null;
  if (body !== null && (sent.base64 || body.includes('\0'))) {
    const packed = sent.base64 ? body : btoa(String.fromCharCode(...new TextEncoder().encode(body)));
    lines.push('--data-binary @-');
    return `printf %s ${quoted(packed)} | base64 -d | ${lines.join(' \\\n  ')}`;
  }
  // --data-raw, since --data reads a file where the body begins with @
  if (body) lines.push(`--data-raw ${quoted(body)}`);
  else if (!sent && BODIES.includes(verb)) lines.push('-H "content-type: application/json"', "-d '{}'");
  return lines.join(' \\\n  ');
}

/** The header that the key came in. */
function keyed(headers) {
  const name = headers.map(([n]) => n.toLowerCase()).find((n) => KEYS.includes(n)) ?? KEYS[0];
  return name === 'authorization' ? '-H "Authorization: Bearer $API_KEY"' : `-H "${name}: $API_KEY"`;
}
