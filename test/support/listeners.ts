/** Listening sockets of every kind, and attempts to reach them from chosen addresses. */
import { join } from 'node:path';
import type { Namespace } from './netns';
import type { Background } from './process';

const SCRIPT = join(__dirname, 'listeners.py');

/** One socket; `v6only` of an IPv6 one as given, else as the system has it. */
export interface Listening {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
  readonly v6only?: boolean;
}

/** Opens the sockets; TCP greets, UDP echoes. */
export async function listen(namespace: Namespace, sockets: readonly Listening[]): Promise<Background> {
  const entries = sockets.map(({ protocol, address, port, v6only }) => [protocol, address, port, v6only ?? null]);
  const server = namespace.start(['python3', SCRIPT, 'serve', JSON.stringify(entries)]);
  await server.waitFor(/^ready$/m);
  return server;
}

/** A connection, or a datagram that wants its echo. */
export interface ReachAttempt {
  readonly protocol: 'tcp' | 'udp';
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  /** Whether it will be answered, which decides how long it is waited for. */
  readonly expected: boolean;
}

/** How long an answer is waited for, by whether one is expected. */
const SECONDS = { expected: 30, unexpected: 4 } as const;

/** Whether each attempt was answered. */
export async function tryToReach(namespace: Namespace, attempts: readonly ReachAttempt[]): Promise<boolean[]> {
  const entries = attempts.map(({ protocol, source, destination, port, expected }) => {
    return [protocol, source, destination, port, SECONDS[expected ? 'expected' : 'unexpected']];
  });
  const { stdout, stderr, status } = await namespace.run(['python3', SCRIPT, 'try', JSON.stringify(entries)]);
  if (status !== 0) throw new Error(`listeners.py: ${stderr}`);
  return JSON.parse(stdout) as boolean[];
}
