/** Prometheus text (exposition format 0.0.4): families in the order of the table of metrics, each with HELP and TYPE. */
import { type MetricName, METRICS } from './metric-names';

/** Media type of the text. */
export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Collects samples; a family without samples is left out. */
export class Exposition {
  readonly #lines = new Map<MetricName, string[]>();

  /** Adds a sample; `labels` are the values of the labels that the metric has, in their order. */
  add(name: MetricName, labels: readonly string[], value: string): void {
    const keys: readonly string[] = METRICS[name].labels;
    if (keys.length !== labels.length) throw new RangeError(`${name} has the labels ${keys.join(', ') || 'none'}`);
    const pairs = keys.map((key, i) => `${key}="${escapeLabel(labels[i])}"`);
    const line = `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`;
    const lines = this.#lines.get(name);
    if (lines) lines.push(line);
    else this.#lines.set(name, [line]);
  }

  toString(): string {
    let text = '';
    for (const name of Object.keys(METRICS) as MetricName[]) {
      const lines = this.#lines.get(name);
      const { help, type } = METRICS[name];
      if (lines) text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`;
    }
    return text;
  }
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
