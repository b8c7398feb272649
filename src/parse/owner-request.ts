/** What comes through a server's socket → a request: one line of JSON, whose shape stands in the schema. */
import { findRequestProblem, type OwnerRequest } from './schema';

/** A request, or in words why it is none. */
export type RequestReading =
  | { readonly kind: 'request'; readonly request: OwnerRequest }
  | { readonly kind: 'refused'; readonly message: string; readonly hint: string };

/** Bytes of a request at most. */
export const MAX_REQUEST_BYTES = 64 * 1024;

/** Reads a request; never throws. */
export function readOwnerRequest(bytes: Uint8Array): RequestReading {
  const hint = 'a request is one line such as {"version":1,"verb":"allow","words":["14650/tcp"]}';
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return { kind: 'refused', message: 'the request is not JSON in UTF-8', hint };
  }
  const problem = findRequestProblem(body);
  if (typeof problem === 'string') return { kind: 'refused', message: problem, hint };
  return { kind: 'request', request: problem };
}
