/**
 * One connection of an owner: one request, one answer. Whoever sends too much, too slowly, or does not read, is let go
 * of; what he holds meanwhile is a descriptor and at most one request's bytes.
 */
import type { Socket } from 'node:net';
import type { OwnerAnswer } from '../operate/owner/answer';
import { refusedAnswer } from '../operate/owner/answer';
import { MAX_REQUEST_BYTES, readOwnerRequest } from '../parse/owner-request';
import type { OwnerRequest } from '../parse/schema';

/** How long a request may take to come, and an answer to be read. */
export const REQUEST_MS = 5_000;
const ANSWER_MS = 5_000;

const NEWLINE = 10;

/** Reads the request and writes what `answer` makes of it; resolves when the connection is over. Never rejects. */
export async function serveConnection(
  socket: Socket,
  server: string,
  answer: (request: OwnerRequest) => Promise<OwnerAnswer>,
): Promise<void> {
  // The other end may go away at any moment; whatever it then was about is done or not all the same.
  socket.on('error', () => socket.destroy());
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const bytes = await receive(socket);
  if (bytes !== null && !socket.destroyed) {
    if (isHttp(bytes)) {
      sendText(socket, httpText(refusedAnswer(server, { code: 'owner/request', ...NO_HTTP })));
    } else {
      const reading =
        typeof bytes === 'string'
          ? ({ kind: 'refused', message: bytes, hint: undefined } as const)
          : readOwnerRequest(bytes);
      send(
        socket,
        reading.kind === 'request'
          ? await answer(reading.request)
          : refusedAnswer(server, { code: 'owner/request', ...reading }),
      );
    }
  }
  await closed;
}

const NO_HTTP = {
  message: 'this socket speaks no HTTP: a request is one line of JSON, and so is its answer',
  hint: `echo '{"version":1,"verb":"status"}' | nc -NU SOCKET`,
};

/** Whether it is the first line of curl or of a browser, which show no answer but one of HTTP. */
function isHttp(bytes: Uint8Array | string): boolean {
  return typeof bytes !== 'string' && /^[A-Z]{1,16} \S{1,4096} HTTP\/1/.test(Buffer.from(bytes).toString('latin1'));
}

function httpText(answer: OwnerAnswer): string {
  const body = `${JSON.stringify(answer)}\n`;
  const head = ['HTTP/1.1 400 Bad Request', 'Content-Type: application/json', 'Connection: close'];
  return [...head, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n');
}

/** Ends a connection with an answer that needs nothing to be read. */
export function turnAway(socket: Socket, answer: OwnerAnswer): void {
  socket.on('error', () => socket.destroy());
  send(socket, answer);
}

/** The first line, or what came before the other end stopped sending; a text: why it is none; null: it went away. */
async function receive(socket: Socket): Promise<Uint8Array | string | null> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (result: Uint8Array | string | null): void => {
      clearTimeout(timer);
      socket.off('data', take).off('end', ended).off('close', gone);
      // Whatever else is sent waits where it is until there is an answer.
      socket.pause();
      resolve(result);
    };
    const take = (chunk: Buffer): void => {
      const at = chunk.indexOf(NEWLINE);
      const part = at < 0 ? chunk : chunk.subarray(0, at);
      size += part.length;
      if (size > MAX_REQUEST_BYTES) {
        end(`the request is longer than ${MAX_REQUEST_BYTES} bytes`);
        return;
      }
      chunks.push(part);
      if (at >= 0) end(Buffer.concat(chunks));
    };
    const ended = (): void => end(size === 0 ? null : Buffer.concat(chunks));
    const gone = (): void => end(null);
    const timer = setTimeout(() => end(`no whole request came within ${REQUEST_MS / 1000} s`), REQUEST_MS);
    socket.on('data', take).once('end', ended).once('close', gone);
  }).then((result) => {
    if (result === null) socket.destroy();
    return result as Uint8Array | string | null;
  });
}

function send(socket: Socket, answer: OwnerAnswer): void {
  sendText(socket, `${JSON.stringify(answer)}\n`);
}

function sendText(socket: Socket, text: string): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), ANSWER_MS);
  socket.once('close', () => clearTimeout(timer));
  // What the other end still sends is read: a connection that is closed before would take the answer with it.
  socket.resume();
  socket.end(text);
}
