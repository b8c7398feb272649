/** iperf3 through the filter: how much of what one side sent the other received. */
import type { Namespace } from './netns';
import type { Background } from './process';

/** Starts a server on both families; resolves once it listens. */
export async function serveIperf(namespace: Namespace, port: number): Promise<Background> {
  const server = namespace.start(['iperf3', '--server', '--port', String(port), '--forceflush']);
  await server.waitFor(/Server listening/);
  return server;
}

export interface IperfOptions {
  /** The server sends. */
  readonly reverse?: boolean;
  readonly bytes?: number;
}

/** Sends `bytes` (500,000 unless told); how much of it came. */
export async function iperf(
  namespace: Namespace,
  host: string,
  port: number,
  { reverse = false, bytes = 500_000 }: IperfOptions = {},
): Promise<{ received: number }> {
  const words = ['--client', host, '--port', String(port), '--bytes', String(bytes), '--json'];
  words.push('--connect-timeout', '20000');
  if (reverse) words.push('--reverse');
  // Little may lie in buffers when everything is sent: that nobody has read yet.
  words.push('--window', '128K');
  const { stdout, stderr } = await namespace.run(['iperf3', ...words], { timeout: 120_000 });
  const answer = JSON.parse(stdout || '{}') as {
    error?: string;
    end?: { sum_received?: { bytes: number } };
  };
  if (answer.error !== undefined || !answer.end) throw new Error(`iperf3: ${answer.error ?? stderr}`);
  return { received: answer.end.sum_received?.bytes ?? 0 };
}
